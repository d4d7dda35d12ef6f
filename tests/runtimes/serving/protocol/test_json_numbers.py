"""Numbers in JSON are read as `json` reads them, and what `json` refuses is refused."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.errors import RequestError
from miniseg_edge.runtimes.serving.protocol.json_numbers import array_from_numbers, without_numbers

RANGES = {"UINT8": (0, 255), "INT16": (-(2**15), 2**15 - 1)}
DTYPES = {"UINT8": np.uint8, "INT16": np.int16, "FP32": np.float32}


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """A datatype, and values (N, H, W) that it can hold."""
    datatype = draw(st.sampled_from(sorted(DTYPES)))
    numbers = (
        st.integers(*RANGES[datatype]) if datatype in RANGES else st.floats(width=32, allow_nan=False) | st.integers()
    )
    sides = draw(st.tuples(*[st.integers(1, 4)] * 3))
    return datatype, [[[draw(numbers) for _ in range(sides[2])] for _ in range(sides[1])] for _ in range(sides[0])]


@settings(max_examples=300, deadline=None)
@given(tensors(), st.sampled_from(["", " ", "\r\n\t  "]))
def test_flat_and_nested_are_what_json_reads(tensor: tuple[str, list[Any]], space: str) -> None:
    datatype, values = tensor
    with np.errstate(over="ignore"):
        wanted = np.array(values, np.float64).astype(DTYPES[datatype])
    for written in (values, [number for part in values for row in part for number in row]):
        text = json.dumps(written, separators=(f",{space}", ":")).replace("[", f"[{space}").replace("]", f"{space}]")
        if "Infinity" in text:
            continue
        found = array_from_numbers(text.encode(), datatype, wanted.shape)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


@settings(max_examples=1000, deadline=None)
@given(st.text(alphabet="[],12.e-+ 0", max_size=24), st.tuples(*[st.integers(1, 2)] * 3))
def test_what_is_no_json_of_that_shape_is_refused(text: str, shape: tuple[int, ...]) -> None:
    try:
        found = array_from_numbers(text.encode(), "FP32", shape)
    except RequestError:
        return
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(found, np.array(json.loads(text), np.float64).astype(np.float32).reshape(shape))


@pytest.mark.parametrize("count", [2**14, 300_001])
def test_many_blocks_are_one_list(count: int) -> None:
    values = np.random.default_rng(0).integers(-1024, 3000, (1, 1, count), np.int16)
    for written in (values, values.reshape(-1)):
        found = array_from_numbers(json.dumps(written.tolist()).encode(), "INT16", values.shape)
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[1 2,3]",
            "[1,2,]",
            "[,1,2]",
            "[1,,2]",
            "[1,2",
            "1,2]",
            "[1,2]]",
            "[[1,2]",
            "[[1],2]",
            "[1],[2]",
            "[[1,2]3]",
        ),
        *(
            "[01,2]",
            "[+1,2]",
            "[1.,2]",
            "[.5,2]",
            "[1e,2]",
            "[--1,2]",
            "[1[],2]",
            "[]",
            "[1]",
            "[1,2,3]",
            "[1,1" + "0" * 400 + "]",
        ),
        "[1," + "0" * 40_000 + "1]",
        "[1," + " " * 40_000 + "1]",
    ],
)
@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
def test_broken_lists_are_refused(text: str, datatype: str) -> None:
    with pytest.raises(RequestError):
        array_from_numbers(text.encode(), datatype, (1, 1, 2))


@settings(max_examples=500, deadline=None)
@given(
    st.recursive(
        st.integers() | st.text(max_size=6) | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data", 'a"data', "data\\\\", "b"]), inner),
        max_leaves=8,
    )
)
def test_a_document_and_its_numbers_are_the_whole(value: Any) -> None:
    """Both are JSON, and put back the numbers make the document that was."""
    written = json.dumps(value).encode()
    document, numbers = without_numbers(written)
    if numbers is None:
        assert document == written
        return
    try:
        json.loads(numbers)
    except ValueError:  # a list with more than numbers; it is not read
        return
    json.loads(document)
    assert any(document[:at] + numbers + document[at + 4 :] == written for at in range(len(document)))


def test_a_key_in_a_string_is_no_key() -> None:
    written = json.dumps({"id": '"data": [1, 2]'}).encode()
    assert without_numbers(written) == (written, None)
