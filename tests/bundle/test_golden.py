import io
import struct
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.golden import golden_image, golden_logits, npy_from_logits
from miniseg_edge.errors import BundleError, UnsupportedFormatError
from miniseg_edge.slices.preprocessing import FloatArray
from tests.bundles import CONTENTS, GOLDEN, GOLDEN_LOGITS, GOLDEN_PIXELS, SIDE, small_bundle

SIZE = (SIDE, SIDE)
INTACT = small_bundle()


def bundle_with(logit: bytes) -> Bundle:
    """The small bundle with something else where the golden logits should be."""
    return replace(INTACT, contents={**CONTENTS, GOLDEN.logit: logit})


def npy(array: npt.NDArray[np.generic], version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version)
    return buffer.getvalue()


def npy_with_header(header: str, content: bytes = GOLDEN_LOGITS.tobytes()) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n" + content


def check_refused(logit: bytes) -> None:
    with pytest.raises(BundleError, match=f"{GOLDEN.logit} does not match the manifest"):
        golden_logits(bundle_with(logit), GOLDEN, SIZE)


class TestReading:
    def test_the_image_is_read(self) -> None:
        assert np.array_equal(golden_image(INTACT, GOLDEN), GOLDEN_PIXELS)

    def test_a_broken_image_is_refused(self) -> None:
        bundle = replace(INTACT, contents={**CONTENTS, GOLDEN.image: CONTENTS[GOLDEN.image][:-1]})
        with pytest.raises(UnsupportedFormatError):
            golden_image(bundle, GOLDEN)

    def test_the_logits_are_read(self) -> None:
        found = golden_logits(INTACT, GOLDEN, SIZE)
        assert found.dtype == np.float32
        assert np.array_equal(found, GOLDEN_LOGITS)

    @pytest.mark.parametrize(
        "logits",
        [np.asfortranarray(GOLDEN_LOGITS), GOLDEN_LOGITS[:, ::-1], GOLDEN_LOGITS.transpose(0, 2, 1)],
        ids=["Fortran order", "reversed", "transposed"],
    )
    def test_logits_of_any_memory_layout_are_read_as_they_were_written(self, logits: FloatArray) -> None:
        assert np.array_equal(golden_logits(bundle_with(npy_from_logits(logits)), GOLDEN, SIZE), logits)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -0.0, np.float32(1e-45)])
    def test_every_float_comes_back_bit_by_bit(self, value: float) -> None:
        logits = np.full_like(GOLDEN_LOGITS, value)
        assert golden_logits(bundle_with(npy_from_logits(logits)), GOLDEN, SIZE).tobytes() == logits.tobytes()


class TestRefusing:
    @pytest.mark.parametrize("shape", [(SIDE, SIDE), (2, SIDE, SIDE), (1, SIDE, SIDE + 1), (1, 1, SIDE, SIDE), ()])
    def test_another_shape(self, shape: tuple[int, ...]) -> None:
        check_refused(npy(np.zeros(shape, np.float32)))

    def test_another_shape_of_the_same_size(self) -> None:
        check_refused(npy(GOLDEN_LOGITS.reshape(1, SIDE * 2, SIDE // 2)))

    @pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, ">f4", "S4", [("a", "<f4")]])
    def test_another_dtype(self, dtype: npt.DTypeLike) -> None:
        check_refused(npy(np.zeros((1, SIDE, SIDE), dtype)))

    def test_fortran_order(self) -> None:
        check_refused(npy(np.asfortranarray(GOLDEN_LOGITS)))

    def test_a_pickle(self) -> None:
        buffer = io.BytesIO()
        np.save(buffer, np.full((1, SIDE, SIDE), None, dtype=object), allow_pickle=True)
        check_refused(buffer.getvalue())

    @pytest.mark.parametrize("version", [(2, 0), (3, 0)])
    def test_another_version_of_the_format(self, version: tuple[int, int]) -> None:
        check_refused(npy(GOLDEN_LOGITS, version))

    def test_a_truncated_file_wherever_it_ends(self) -> None:
        whole = npy_from_logits(GOLDEN_LOGITS)
        for length in range(len(whole)):
            check_refused(whole[:length])

    def test_something_after_the_end(self) -> None:
        check_refused(npy_from_logits(GOLDEN_LOGITS) + b"\0")

    @pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"text", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff"])
    def test_another_file(self, data: bytes) -> None:
        check_refused(data)

    @pytest.mark.parametrize(
        "shape", ["(1000000000000, 32, 32)", "(-1, 32, 32)", "(1, 32, 32.0)", "(1L, 32L, 32L)", "(1, 32, 10**9)", "1"]
    )
    def test_an_absurd_shape_in_the_header(self, shape: str) -> None:
        check_refused(npy_with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"))

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "{",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 32, 32",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': 7, 'fortran_order': 0, 'shape': (1, 32, 32)}",
            "  {\n\t'descr'}",
            "'''",
            "__import__('os').getcwd()",
            "-" * 9000 + "1",
            "(" * 9000,
            "[" * 90 + "]" * 90,
            " " * 60_000,
        ],
        ids=range(12),
    )
    def test_a_hostile_header(self, header: str) -> None:
        check_refused(npy_with_header(header))

    @settings(max_examples=100, deadline=None)
    @given(position=st.integers(0, 127), mask=st.integers(1, 255))
    def test_a_damaged_header_unless_it_says_the_same(self, position: int, mask: int) -> None:
        damaged = bytearray(npy_from_logits(GOLDEN_LOGITS))
        damaged[position] ^= mask
        try:
            found = golden_logits(bundle_with(bytes(damaged)), GOLDEN, SIZE)
        except BundleError:
            return
        assert np.array_equal(found, GOLDEN_LOGITS)
