"""A NIfTI file's bytes: compression by content, checksums, and no more bytes than the header says."""

import gzip
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.errors import InputError, UnsupportedFormatError
from miniseg_edge.studies import open_study
from miniseg_edge.studies.nifti.file import MAX_PADDING_BYTES, nifti_from_file
from miniseg_edge.studies.source_files import DiskFile
from tests.studies.nifti.test_place import set_to
from tests.studies.niftis import SMALL, chest, nifti_bytes, write_nifti

DATA = nifti_bytes()
MIB = 2**20


def bgzip(data: bytes, block: int = 128) -> bytes:
    """Members of a few bytes each and an empty one at the end, as bgzip and pigz -i write."""
    pieces = [data[start : start + block] for start in range(0, len(data), block)]
    return b"".join(gzip.compress(piece, mtime=0) for piece in (*pieces, b""))


def read(folder: Path, data: bytes, name: str = "v.nii.gz") -> np.ndarray:
    path = folder / name
    path.write_bytes(data)
    voxels = nifti_from_file(DiskFile(path)).voxels
    np.testing.assert_array_equal(voxels, SMALL)
    return voxels


def refused(folder: Path, data: bytes, text: str, name: str = "v.nii.gz") -> None:
    with pytest.raises(UnsupportedFormatError, match=text):
        read(folder, data, name)


class TestGzip:
    """The container's own checks."""

    @pytest.mark.parametrize("level", [0, 1, 9])
    def test_any_level_and_many_members(self, tmp_path: Path, level: int) -> None:
        read(tmp_path, gzip.compress(DATA, level))
        for block in (1, 100, 4096):
            read(tmp_path, bgzip(DATA, block))
        read(tmp_path, gzip.compress(DATA[:400], level) + gzip.compress(DATA[400:], 9))

    def test_zeros_after_the_stream_are_padding(self, tmp_path: Path) -> None:
        read(tmp_path, gzip.compress(DATA) + bytes(512))

    def test_each_wrong_bit_of_the_trailer_is_refused(self, tmp_path: Path) -> None:
        whole = gzip.compress(DATA, mtime=0)
        for bit in range(64):
            damaged = bytearray(whole)
            damaged[-8 + bit // 8] ^= 1 << bit % 8
            refused(tmp_path, bytes(damaged), "is damaged; expected gzip whose checksum and length are right")

    def test_a_wrong_bit_of_a_stored_voxel_is_refused(self, tmp_path: Path) -> None:
        """Level 0 stores: without the checksum the voxel is another, and nothing else shows it."""
        damaged = bytearray(gzip.compress(DATA, 0, mtime=0))
        damaged[-40] ^= 1
        assert zlib.decompressobj(-15).decompress(bytes(damaged[10:])) != DATA
        refused(tmp_path, bytes(damaged), "is damaged")

    def test_a_wrong_bit_in_the_middle_of_many_members_is_refused(self, tmp_path: Path) -> None:
        damaged = bytearray(bgzip(DATA))
        damaged[len(gzip.compress(DATA[:128], mtime=0)) - 6] ^= 4
        refused(tmp_path, bytes(damaged), "is damaged")

    @settings(deadline=None)
    @given(st.data())
    def test_a_stream_that_was_cut_is_refused(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        whole = gzip.compress(DATA, mtime=0)
        kept = data.draw(st.integers(0, len(whole) - 1))
        refused(tmp_path_factory.getbasetemp(), whole[:kept], "is truncated|is not NIfTI|truncated")

    def test_other_bytes_after_the_stream_are_refused(self, tmp_path: Path) -> None:
        refused(tmp_path, gzip.compress(DATA) + b"rubbish", "is damaged")

    def test_more_than_the_header_says_is_refused_without_inflating_it(self, tmp_path: Path) -> None:
        bomb = gzip.compress(DATA + bytes(256 * MIB))
        assert len(bomb) < MIB
        tracemalloc.start()
        try:
            refused(tmp_path, bomb, "longer than its header says; expected 592 bytes")
            assert tracemalloc.get_traced_memory()[1] < 64 * MIB
        finally:
            tracemalloc.stop()

    def test_a_container_of_nothing_is_refused(self, tmp_path: Path) -> None:
        empty = gzip.compress(b"", mtime=0)
        refused(tmp_path, gzip.compress(DATA) + empty * (2 * MIB // len(empty)), "longer than its header says")


class TestNames:
    """Whether a file is compressed is told from its content; the name's claim is remarked."""

    @pytest.mark.parametrize(
        ("name", "packed", "remark"),
        [
            ("a.nii", True, "compressed with gzip, although its name lacks .gz"),
            ("a.NII", True, "compressed with gzip, although its name lacks .gz"),
            ("a.nii.gz", False, "not compressed, although its name has .gz"),
            ("A.NII.GZ", False, "not compressed, although its name has .gz"),
            ("a.Nii.Gz", True, None),
            ("A.NII", False, None),
        ],
    )
    def test_the_content_decides(self, tmp_path: Path, name: str, packed: bool, remark: str | None) -> None:
        (tmp_path / name).write_bytes(gzip.compress(DATA) if packed else DATA)
        study = open_study(tmp_path / name)
        assert study.remarks == ((remark,) if remark else ())
        np.testing.assert_array_equal(study.volume().voxels_hu, SMALL[::-1, ::-1].transpose(2, 1, 0))

    @pytest.mark.parametrize(
        ("data", "what"),
        [
            (gzip.compress(gzip.compress(DATA)), "gzip inside gzip"),
            (b"PK\3\4" + bytes(400), "a zip archive"),
            (b"BZh9" + bytes(400), "bzip2"),
            (b"\x28\xb5\x2f\xfd" + bytes(400), "zstd"),
            (b"\xfd7zXZ\0" + bytes(400), "xz"),
            (bytes(128) + b"DICM" + bytes(400), "DICOM"),
            (b"NRRD0004\n" + bytes(400), "NRRD"),
            (b"", "an empty file"),
            (b"\\", "something else"),
            (b"hello" * 100, "something else"),
        ],
    )
    def test_what_is_inside_is_named(self, tmp_path: Path, data: bytes, what: str) -> None:
        for name in ("a.nii", "a.nii.gz"):
            refused(tmp_path, data, f"is not NIfTI; expected NIfTI-1 or NIfTI-2, got {what}$", name)


class TestLength:
    """Before, in and after the voxels."""

    def test_an_extension_before_the_voxels_is_passed_over(self, tmp_path: Path) -> None:
        extension = b"\1\0\0\0" + (64).to_bytes(4, "little") + (6).to_bytes(4, "little") + b"a comment".ljust(56)
        extended = nifti_bytes(edit=set_to(vox_offset=352 + 64))
        data = extended[:348] + extension + DATA[352:]
        for stored in (data, gzip.compress(data)):
            read(tmp_path, stored)

    def test_padding_is_remarked(self, tmp_path: Path) -> None:
        big = nifti_bytes(chest())
        for padding in (1, 512, 6143):  # a slice has 6144 bytes
            for data in (big + bytes(padding), gzip.compress(big + bytes(padding))):
                (tmp_path / "v.nii").write_bytes(data)
                assert f"bytes after the voxels passed over: {padding}" in open_study(tmp_path / "v.nii").remarks

    def test_a_slice_more_than_the_header_says_is_refused(self, tmp_path: Path) -> None:
        """A header that says one slice less would lose it."""
        for axes in ([3, 64, 48, 3], [4, 64, 48, 3, 1]):
            dim = [*axes, 1, 1, 1, 1][:8]
            for data in (made := nifti_bytes(chest(4).transpose(1, 0, 2), edit=set_to(dim=dim)), gzip.compress(made)):
                (tmp_path / "v.nii").write_bytes(data)
                with pytest.raises(UnsupportedFormatError, match="longer than its header says") as caught:
                    open_study(tmp_path / "v.nii")
                assert "Slices would be lost" in str(caught.value)

    def test_padding_has_a_bound_for_large_slices_too(self, tmp_path: Path) -> None:
        path = write_nifti(tmp_path / "v.nii", np.zeros((256, 256, 2), np.int16))
        data = path.read_bytes()
        path.write_bytes(data + bytes(MAX_PADDING_BYTES))
        open_study(path)
        path.write_bytes(data + bytes(MAX_PADDING_BYTES + 1))
        with pytest.raises(UnsupportedFormatError, match="longer than its header says"):
            open_study(path)

    def test_a_header_that_promises_more_than_there_is_takes_no_memory(self, tmp_path: Path) -> None:
        data = nifti_bytes(edit=set_to(dim=[3, 1024, 1024, 1024, 1, 1, 1, 1]))
        tracemalloc.start()
        try:
            for stored in (data, gzip.compress(data)):
                refused(tmp_path, stored, "truncated pixel data; expected 2147484000 bytes")
            assert tracemalloc.get_traced_memory()[1] < 64 * MIB
        finally:
            tracemalloc.stop()

    def test_the_budget_holds_before_anything_is_read(self, tmp_path: Path) -> None:
        for dim in ([3, 8192, 8192, 64], [4, 1024, 1024, 1024, 4], [3, 32767, 32767, 1]):
            data = nifti_bytes(edit=set_to(dim=[*dim, 1, 1, 1, 1, 1][:8]))
            (tmp_path / "v.nii.gz").write_bytes(gzip.compress(data))
            with pytest.raises(InputError, match="too large"):
                open_study(tmp_path / "v.nii.gz")

    def test_a_slice_is_measured_as_it_will_lie(self, tmp_path: Path) -> None:
        """Stored sagittally, so that the file's first two axes say nothing about the size of its axial slices."""
        data = nifti_bytes(np.zeros((1, 1, 1), np.uint8), np.diag([2.5, 0.7, 0.8, 1])[:, [2, 0, 1, 3]])
        header = bytearray(data[:352])
        header[40:56] = np.array([3, 1, 10000, 10000, 1, 1, 1, 1], "<i2").tobytes()
        (tmp_path / "v.nii.gz").write_bytes(gzip.compress(bytes(header) + bytes(10000 * 10000), 1))
        with pytest.raises(InputError, match="a slice is too large"):
            open_study(tmp_path / "v.nii.gz")


@pytest.mark.parametrize("name", ["good", "one_bit_flipped"])
def test_the_published_case(shared: Path, name: str) -> None:
    path = shared / "data" / "field-cases" / "crc" / f"{name}.nii.gz"
    if name == "good":
        assert open_study(path).volume().voxels_hu.shape == (4, 64, 64)
        return
    with pytest.raises(UnsupportedFormatError, match="is damaged"):
        open_study(path)
