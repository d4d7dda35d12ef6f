"""Dense convolutions: 1x1, 3x3 and 5x5."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.native.kernels.child import in_child
from tests.native.kernels.draws import BEHIND, CHANNELS, SEEDS, WIDTHS, Chance, same_bits
from tests.native.kernels.memory import Format, Memory, read_row, written_row
from tests.native.kernels.sums import neighbourhood, weighted
from tests.native.kernels.table import Blocks, Residual, Set

pytestmark = pytest.mark.slow


def test_pointwise(sets: list[Set]) -> None:
    """Of one input or two side by side, with or without PReLU, split or not."""

    @given(WIDTHS, st.tuples(CHANNELS, st.integers(0, 9), CHANNELS), st.booleans(), st.booleans(), BEHIND, SEEDS)
    def check(width: int, channels: tuple[int, int, int], act: bool, split: bool, behind: bool, seed: int) -> None:
        chance, (first, second, outputs) = Chance(seed), channels
        inputs = chance.floats(first + second, width)
        weights, bias, slopes = chance.floats(outputs, first + second), chance.floats(outputs), chance.floats(outputs)
        expected = weighted("oi,ix->ox", weights, inputs.astype(float), bias[:, None].astype(float), first + second)
        found = []
        for one in sets:
            memory = Memory(behind)
            to = written_row(memory, Format(outputs, width, split))
            parts = [read_row(memory, part) if len(part) else 0 for part in (inputs[:first], inputs[first:])]
            one.call(
                "pointwise",
                inputs=(parts[0], parts[1]), channels=(first, second), input_stride=Format(first, width).stride,
                weights=Blocks(memory.array(one.packed(weights, bias)), outputs, first + second),
                slopes=memory.array(slopes) if act else None,
                output=to.address, output_stride=to.form.stride, odd=to.form.odd, width=Format(1, width).half,
            )  # fmt: skip
            found.append(to.values())
        (expected.activated(slopes) if act else expected).check(same_bits(found))

    in_child(check)


@pytest.mark.parametrize(
    ("kernel", "size", "stride"), [("dense3", 3, 1), ("dense3_stride2", 3, 2), ("dense5_stride2", 5, 2)]
)
def test_dense(sets: list[Set], kernel: str, size: int, stride: int) -> None:
    """With nothing added, with a base, with a base less another; into a row of its own, or into its base."""

    @given(WIDTHS, st.integers(1, 5), CHANNELS, st.integers(0, 2), st.booleans(), BEHIND, SEEDS)
    def check(width: int, channels: int, outputs: int, added: int, in_place: bool, behind: bool, seed: int) -> None:
        chance, form = Chance(seed), Format(outputs, -(-width // stride))
        rows = chance.floats(size, channels, width)
        weights = chance.floats(outputs, channels, size, size)
        bias, slopes = chance.floats(outputs), chance.floats(outputs)
        base, minus = chance.floats(outputs, form.width), chance.floats(outputs, form.width)
        taps = neighbourhood(rows, size, stride, form.width)
        terms = channels * size * size
        expected = weighted("oikl,klix->ox", weights, taps, bias[:, None].astype(float), terms).activated(slopes)
        if added > 0:
            expected = expected.plus(base)
        if added > 1:
            expected = expected.plus(minus, -1.0)
        found = []
        for one in sets:
            memory = Memory(behind)
            of_base = written_row(memory, form, base)
            to = of_base if in_place and added else written_row(memory, form)
            split = stride == 2
            flat = weights.reshape(outputs, terms)
            one.call(
                kernel,
                rows=memory.addresses([read_row(memory, row, split=split, reach=size // 2) for row in rows]),
                channels=channels, input_stride=Format(channels, width, split).stride,
                odd=Format(channels, width, split).odd,
                weights=Blocks(memory.array(one.packed(flat, bias)), outputs, terms), slopes=memory.array(slopes),
                to=Residual(
                    to.address, of_base.address if added > 0 else None,
                    written_row(memory, form, minus).address if added > 1 else None, form.stride,
                ),
                width=form.half,
            )  # fmt: skip
            found.append(to.values())
        expected.check(same_bits(found))

    in_child(check)


def test_terms_are_fused(sets: list[Set]) -> None:
    """w x + b of a pixel is rounded once: rounding the product first would leave nothing here."""

    def check() -> None:
        near = np.float32(1 + 2.0**-12)
        for one in sets:
            memory = Memory(behind=True)
            to = written_row(memory, Format(1, 32))
            weights = one.packed(np.full((1, 1), near), np.full(1, -1 - 2.0**-11, np.float32))
            one.call(
                "pointwise",
                inputs=(read_row(memory, np.full((1, 32), near)), 0), channels=(1, 0), input_stride=48,
                weights=Blocks(memory.array(weights), 1, 1), output=to.address, output_stride=48, width=32,
            )  # fmt: skip
            assert (to.values() == np.float32(2.0**-24)).all()

    in_child(check)


def test_a_read_beyond_is_told(sets: list[Set]) -> None:
    """A weight too few: the child is killed, and the test says in what."""

    def check() -> None:
        memory, one = Memory(behind=True), sets[0]
        to = written_row(memory, Format(1, 32))
        row = read_row(memory, np.zeros((1, 32), np.float32))
        weights = memory.array(np.zeros(1, np.float32))
        one.call(
            "pointwise",
            inputs=(row, 0), channels=(1, 0), input_stride=48, weights=Blocks(weights, 1, 1),
            output=to.address, output_stride=48, width=32,
        )  # fmt: skip

    with pytest.raises(AssertionError, match=r"SIGSEGV in plain pointwise"):
        in_child(check)
