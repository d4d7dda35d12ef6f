"""DICOM that lacks its preamble, its meta information or both, or is gzipped, is the same series."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miniseg_edge.errors import InputError, UnsupportedFormatError
from miniseg_edge.studies import open_study
from miniseg_edge.studies.dicom.content import STANDARD, Form, form_of, gunzipped, standard_content
from tests.studies.series import header, put, stored_slice, write_series

PREAMBLE = bytes(128) + b"DICM"


def dataset_alone(data: bytes, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """The dataset without group 2, in a transfer syntax."""
    made = pydicom.dcmread(io.BytesIO(data))
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        made.PixelData = np.frombuffer(made.PixelData, "<u2").astype(">u2").tobytes()
        made["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, made, enforce_file_format=True)
    written = buffer.getvalue()
    length = int(pydicom.dcmread(io.BytesIO(written)).file_meta.FileMetaInformationGroupLength)
    return written[len(PREAMBLE) + 12 + length :]


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "group 2 alone": lambda data: data[132:],
    "DICM and group 2": lambda data: data[128:],
    "zeros and group 2": lambda data: bytes(128) + data[132:],
    "explicit dataset": dataset_alone,
    "implicit dataset": lambda data: dataset_alone(data, ImplicitVRLittleEndian),
    "big endian dataset": lambda data: dataset_alone(data, ExplicitVRBigEndian),
    "preamble and dataset": lambda data: PREAMBLE + dataset_alone(data),
    "zeros and implicit dataset": lambda data: bytes(128) + dataset_alone(data, ImplicitVRLittleEndian),
    "gzipped": gzip.compress,
    "gzipped without preamble": lambda data: gzip.compress(data[132:]),
    "two gzip members": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", ["all", "some"])
def test_every_form_is_read_as_what_it_is(tmp_path: Path, form: str, which: str) -> None:
    folder = write_series(tmp_path, 4, put(SpecificCharacterSet="ISO_IR 100"))
    for path in sorted(folder.iterdir())[: 4 if which == "all" else 2]:
        path.write_bytes(FORMS[form](path.read_bytes()))
    volume = open_study(folder).volume()
    np.testing.assert_array_equal(volume.voxels_hu, np.stack([stored_slice(i) for i in range(4)]) - np.float32(1024))
    assert volume.remarks == (
        f"files without DICOM's preamble or meta information, or gzipped, read anyway: {4 if which == 'all' else 2}",
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_changed_is_noticed_in_every_form(tmp_path: Path, form: str) -> None:
    path = write_series(tmp_path, 1) / "900"
    path.write_bytes(FORMS[form](path.read_bytes()))
    study = open_study(path)
    buffer = io.BytesIO()
    header(5).save_as(buffer, enforce_file_format=True)
    path.write_bytes(FORMS[form](buffer.getvalue()))
    with pytest.raises(InputError, match="changed while it was read"):
        study.volume()


def test_a_standard_file_is_standard() -> None:
    buffer = io.BytesIO()
    header(0).save_as(buffer, enforce_file_format=True)
    assert form_of(buffer.getvalue()) == STANDARD
    assert standard_content(buffer.getvalue(), STANDARD, "one") == buffer.getvalue()


@given(st.binary(max_size=400))
def test_other_bytes_are_no_dicom_unless_they_begin_like_it(data: bytes) -> None:
    form = form_of(data)
    if form is not None:
        assert data[:2] == b"\x1f\x8b" or data[128:132] == b"DICM" or 0 in data[form.offset : form.offset + 2]


@pytest.mark.parametrize(
    "data",
    [b"", b"hello world, this is text" * 40, b"\x89PNG\r\n\x1a\n" + bytes(300), bytes(600), b"PK\x03\x04" + bytes(600),
     gzip.compress(b"no DICOM at all" * 100, mtime=0), b"{\"a\": 1}" * 100, b"\x08\0\x05\0" * 200],
)  # fmt: skip
def test_what_is_no_dicom(data: bytes) -> None:
    assert form_of(data) is None


def test_a_gzip_file_that_is_cut_damaged_or_too_large(tmp_path: Path) -> None:
    packed = gzip.compress(np.random.default_rng(0).bytes(5000))
    with pytest.raises(UnsupportedFormatError, match="is truncated"):
        gunzipped(packed[:-9], "one")
    flipped = bytearray(packed)
    flipped[-6] ^= 1  # the checksum
    with pytest.raises(UnsupportedFormatError, match="is damaged"):
        gunzipped(bytes(flipped), "one")
    with pytest.raises(UnsupportedFormatError, match="is damaged"):
        gunzipped(packed + b"more", "one")
    with pytest.raises(InputError, match="at most 4999 bytes"):
        gunzipped(packed, "one", 4999)
    assert len(gunzipped(packed, "one", 5000)) == 5000
    assert not Form(gzipped=True, offset=132).is_standard


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.99])
def test_a_gzipped_slice_that_is_cut_is_an_error_that_names_it(tmp_path: Path, cut: float) -> None:
    folder = write_series(tmp_path, 4)
    path = folder / "898"
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    (folder / "898.gz.dcm").write_bytes(packed[: int(len(packed) * cut)])
    with pytest.raises(UnsupportedFormatError, match=r"may belong to the series cannot be read.*898\.gz\.dcm"):
        open_study(folder).volume()
