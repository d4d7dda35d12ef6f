"""The plan reader of libminiseg: broken and hostile plans are refused with a code, and never crash."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.architecture import Architecture
from miniseg_edge.native.binding import Model
from miniseg_edge.native.structures import Code, NativeError
from tests.native.plans import SMALL, case

PLAN = case(Architecture((2, 4, 4, 4), (1, 0, 1, 0), (1, 0, 0, 0))).plan
HEADER, RECORD = 128, 32


def refusal(plan: bytes) -> NativeError:
    with pytest.raises(NativeError) as caught:
        Model(plan)
    return caught.value


def outcome(plan: bytes) -> Code:
    try:
        Model(plan).close()
    except NativeError as error:
        return error.code
    return Code.OK


def changed(at: int, layout: str, value: float) -> bytes:
    found = bytearray(PLAN)
    struct.pack_into(f"<{layout}", found, at, value)
    return bytes(found)


def test_what_a_plan_says() -> None:
    with Model(case(SMALL).plan) as model:
        found = model.description
    assert (found.widths, found.depths, found.long_depths) == (SMALL.channels, SMALL.depths, SMALL.long_depths)
    assert (found.classes, found.channels, found.hu, found.mask) == (2, 1, False, False)


@settings(max_examples=300)
@given(st.data())
def test_mutated_plans(data: st.DataObject) -> None:
    """Any byte changed: refused by PLAN or VERSION, or read (a weight is a weight)."""
    found = bytearray(PLAN)
    for _ in range(data.draw(st.integers(1, 4))):
        top = data.draw(st.sampled_from([HEADER, HEADER + 12 * RECORD, len(found)]))
        found[data.draw(st.integers(0, top - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.one_of(st.just(len(found)), st.integers(0, len(found))))
    assert outcome(bytes(found[:length])) in (Code.OK, Code.PLAN, Code.VERSION)


@given(st.binary(max_size=300))
def test_anything_else(content: bytes) -> None:
    assert refusal(content).code == Code.PLAN
    assert refusal(PLAN[:8] + content).code in (Code.PLAN, Code.VERSION)


@pytest.mark.parametrize("cut", [0, 7, 127, 128, 500, len(PLAN) - 1])
def test_cut_off(cut: int) -> None:
    assert refusal(PLAN[:cut]).code == Code.PLAN


def test_longer() -> None:
    assert refusal(PLAN + b"\0").code == Code.PLAN
    longer = bytearray(PLAN + bytes(64))
    struct.pack_into("<Q", longer, 96, len(longer))
    assert refusal(bytes(longer)).code == Code.PLAN


def test_another_version() -> None:
    error = refusal(changed(8, "I", 2))
    assert (error.code, "version 1" in error.message) == (Code.VERSION, True)


@pytest.mark.parametrize(
    ("at", "layout", "value"),
    [
        (12, "I", 2**32 - 1),  # records
        (16, "I", 2),  # values
        (20, "I", 7),  # result
        (24, "I", 65),  # channels
        (28, "I", 1),  # classes
        (28, "I", 256),
        (32, "I", 0),  # widths
        (36, "I", 1025),
        (36, "I", 6),  # no multiple of four
        (48, "I", 65),  # depths
        (64, "I", 2),  # a long path that is deeper
        (80, "f", float("nan")),  # window
        (80, "f", 3.4028234663852886e38),  # empty
        (88, "f", float("inf")),
        (96, "Q", 2**63),  # size
        (110, "B", 1),  # reserved
        (HEADER, "I", 2),  # kind
        (HEADER + 4, "I", 2),  # stage
        (HEADER + 8, "I", 1),  # index
        (HEADER + 12, "I", 1),
        (HEADER + 16, "Q", 2**64 - 4),  # first byte
        (HEADER + 16, "Q", 0),
        (HEADER + 24, "Q", 2**62),  # floats
        (HEADER + 24, "Q", 0),
    ],
)
def test_each_field(at: int, layout: str, value: float) -> None:
    assert refusal(changed(at, layout, value)).code == Code.PLAN


def test_weights_are_finite_and_padding_is_zero() -> None:
    first = struct.unpack_from("<Q", PLAN, HEADER + 16)[0]
    assert refusal(changed(first, "f", float("inf"))).code == Code.PLAN
    count = struct.unpack_from("<Q", PLAN, HEADER + 24)[0]
    assert (first + 4 * count) % 64, "the first record leaves padding"
    assert refusal(changed(first + 4 * count, "B", 1)).code == Code.PLAN
