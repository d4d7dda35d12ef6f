"""Compressed frames: whole ones decode to the same HU; truncated and lying ones are refused, lying ones undecoded."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from miniseg_edge.errors import MiniSegError
from miniseg_edge.host.opencv import cv2
from miniseg_edge.studies import open_study
from miniseg_edge.studies.dicom.codestreams import coded_size
from tests.studies.series import SIZE, stored_slice, write_series

SIZED = (JPEG2000Lossless, JPEGLSLossless)


def compressed(folder: Path, syntax: str) -> Path:
    """A slice, losslessly compressed by pydicom's encoders; its file."""

    def edit(index: int, header: Any) -> None:
        header.compress(syntax, generate_instance_uid=False)

    return write_series(folder, 1, edit) / "900"


def baseline(folder: Path) -> Path:
    """The same as 8-bit baseline JPEG, by OpenCV."""

    def edit(index: int, header: Any) -> None:
        grey = np.asarray((stored_slice(index) - 24) // 7, np.uint8)
        header.PixelData = encapsulate([cv2.imencode(".jpg", grey)[1].tobytes()])
        header["PixelData"].VR = "OB"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 8, 8, 7, 0
        header.file_meta.TransferSyntaxUID = JPEGBaseline8Bit

    return write_series(folder, 1, edit) / "900"


def refused(path: Path, text: str) -> None:
    with pytest.raises(MiniSegError, match=text) as caught:
        open_study(path).volume()
    assert caught.value.code == "UNSUPPORTED_FORMAT"


@pytest.mark.parametrize("syntax", [*SIZED, RLELossless])
def test_lossless_frames_decode_to_the_same_hu(tmp_path: Path, syntax: str) -> None:
    plain = open_study(write_series(tmp_path / "plain", 1)).volume().voxels_hu
    np.testing.assert_array_equal(open_study(compressed(tmp_path / "c", syntax)).volume().voxels_hu, plain)


def test_a_baseline_frame_decodes(tmp_path: Path) -> None:
    hu = open_study(baseline(tmp_path)).volume().voxels_hu[0] + 1024
    assert np.abs(hu - (stored_slice(0) - 24) // 7).mean() < 8  # its losses


@pytest.mark.parametrize("syntax", [*SIZED, RLELossless])
def test_truncated_fragments_name_the_bytes(tmp_path: Path, syntax: str) -> None:
    path = compressed(tmp_path, syntax)
    data = path.read_bytes()
    for kept in (len(data) - 8, len(data) - 100, len(data) // 2 + 400):
        path.write_bytes(data[:kept])
        refused(path, f"truncated pixel data; expected fragments up to byte [0-9]+ and an end mark, got {kept} bytes")


@pytest.mark.parametrize("syntax", [*SIZED, RLELossless])
def test_a_codestream_that_breaks_off_inside_its_fragment_is_refused(tmp_path: Path, syntax: str) -> None:
    path = compressed(tmp_path, syntax)
    dataset = pydicom.dcmread(path)
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset.PixelData = encapsulate([frame[: len(frame) // 3 // 2 * 2]])
    dataset.save_as(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a decoder's own
        refused(path, "cannot be decoded|unexpected size")


@pytest.mark.parametrize("kind", [*SIZED, "baseline"])
def test_a_frame_that_lies_about_its_size_is_refused_undecoded(tmp_path: Path, kind: str) -> None:
    path = baseline(tmp_path) if kind == "baseline" else compressed(tmp_path, kind)
    data = path.read_bytes()
    if kind == JPEG2000Lossless:  # SIZ: width, then height
        honest, lie = SIZE[1].to_bytes(4, "big") + SIZE[0].to_bytes(4, "big"), (60001).to_bytes(4, "big") * 2
    else:  # the frame header: height, then width
        honest, lie = SIZE[0].to_bytes(2, "big") + SIZE[1].to_bytes(2, "big"), (60001).to_bytes(2, "big") * 2
    start = data.index(b"\xff\x4f\xff\x51" if kind == JPEG2000Lossless else b"\xff\xd8")
    at = data.index(honest, start)
    path.write_bytes(data[:at] + lie + data[at + len(lie) :])
    refused(path, "compressed frame of an unexpected size; expected 64 x 48, got 60001 x 60001")


@pytest.mark.parametrize(
    "codestream",
    [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xc0\x00", b"\xff\x4f\xff\x51\x00", b"\x01" * 64,
     b"\xff\xd8\xff\xc4\xff\xff", b"\xff\xd8" + b"\xff" * 100],
)  # fmt: skip
def test_what_says_no_size_has_none(codestream: bytes) -> None:
    assert coded_size(codestream) is None


def test_a_decoder_that_is_not_installed_is_named_with_the_install(tmp_path: Path) -> None:
    """In a process to which the packages that decode JPEG-LS are missing."""
    path = compressed(tmp_path, JPEGLSLossless)
    code = (
        "import sys\n"
        "sys.modules['gdcm'] = sys.modules['jpeg_ls'] = None\n"
        "from miniseg_edge.studies import open_study\n"
        f"open_study({str(path)!r}).volume()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert "TRANSFER_SYNTAX: 900 is compressed as JPEG-LS Lossless Image Compression (1.2.840.10008.1.2.4.80)" in told
    assert "pyjpegls" in told
    assert 'pip install "miniseg-edge[dicom]"' in told
