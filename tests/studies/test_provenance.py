import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.errors import UnsupportedFormatError
from miniseg_edge.slices.images import png_from_pixels
from miniseg_edge.studies.provenance import Provenance, provenance_of, stamped_png

DRAWN_BY = Provenance("0123456789abcdef" * 4, "openvino", "cpu", "int8", "e" * 64)
PIXELS = np.arange(20 * 30, dtype=np.uint32).reshape(20, 30).astype(np.uint8)


@pytest.mark.parametrize("pixels", [PIXELS, np.stack([PIXELS] * 3, axis=2)], ids=["mask", "overlay"])
def test_a_stamped_png_says_what_drew_it_and_shows_the_same(pixels: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(stamped_png(png_from_pixels(pixels), DRAWN_BY))
    assert provenance_of(path) == DRAWN_BY
    shown = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert shown is not None
    np.testing.assert_array_equal(shown, pixels)


def nifti(description: str, auxiliary: str) -> bytes:
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.uint8), np.eye(4))
    image.header["descrip"], image.header["aux_file"] = description, auxiliary
    return bytes(image.to_bytes())


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
def test_a_nifti_header_says_it_without_the_device(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(pack(nifti(*DRAWN_BY.nifti_stamp)))
    assert provenance_of(path) == Provenance(DRAWN_BY.bundle_digest, "openvino", "", "int8")


SILENT = {
    "mask.png": png_from_pixels(PIXELS),
    "cut.png": stamped_png(png_from_pixels(PIXELS), DRAWN_BY)[:80],
    "other.nii": nifti("FSL 6.0", ""),
    "forged.nii": nifti("miniseg-edge not-a-digest", ""),
    "binary.nii": nifti("miniseg-edge ", "").replace(b"miniseg-edge ", b"\xff" * 13),
    "cut.nii.gz": gzip.compress(nifti(*DRAWN_BY.nifti_stamp))[:40],
    "no.nii.gz": b"\x1f\x8b",
    "findings.json": b"{}",
    "empty": b"",
    "text": b"lesion",
}


@pytest.mark.parametrize("name", SILENT)
def test_what_does_not_say_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(SILENT[name])
    with pytest.raises(UnsupportedFormatError):
        provenance_of(tmp_path / name)
    with pytest.raises(UnsupportedFormatError):
        provenance_of(tmp_path / "absent")


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200) | st.just(json.dumps({"bundle_digest": "x"})))
def test_any_text_in_a_png_is_read_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("png") / "mask.png"
    whole = stamped_png(png_from_pixels(PIXELS), DRAWN_BY)
    start = whole.index(b"tEXt")
    content = b"miniseg-edge\0" + text.encode()
    length = int.from_bytes(whole[start - 4 : start], "big")
    forged = len(content).to_bytes(4, "big") + b"tEXt" + content + zlib.crc32(b"tEXt" + content).to_bytes(4, "big")
    path.write_bytes(whole[: start - 4] + forged + whole[start + 4 + length + 4 :])
    with pytest.raises(UnsupportedFormatError):
        provenance_of(path)
