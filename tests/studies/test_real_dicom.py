"""The real DICOM beside the checkout: transfer syntaxes, bad geometry, a tilted gantry, a chest series."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.errors import MiniSegError
from miniseg_edge.studies import open_study

REFUSED = ("4.53", "4.55")


@pytest.fixture
def dicom(shared: Path) -> Path:
    return shared / "data" / "dicom"


def variant(dicom: Path, ending: str) -> Path:
    (path,) = (dicom / "transfer-syntaxes").glob(f"CTImage.dcm_*TransferSyntax{ending}.dcm")
    return path


@pytest.mark.parametrize(
    "ending",
    [
        "_1.2.840.10008.1.2",
        *(f"_1.2.840.10008.1.2.{e}" for e in ("1", "2", "1.99", "4.57", "4.70", "4.80", "4.90", "5")),
    ],
)
def test_lossless_variants_decode_to_the_same_hu(dicom: Path, ending: str) -> None:
    plain = open_study(dicom / "transfer-syntaxes" / "CTImage.dcm").volume().voxels_hu
    np.testing.assert_array_equal(open_study(variant(dicom, ending)).volume().voxels_hu, plain)


@pytest.mark.parametrize("ending", REFUSED)
def test_what_cannot_be_decoded_names_the_syntax_and_the_package(dicom: Path, ending: str) -> None:
    with pytest.raises(MiniSegError, match=f"{ending}.*dcmtk") as caught:
        open_study(variant(dicom, f"_1.2.840.10008.1.2.{ending}")).volume()
    assert caught.value.code == "TRANSFER_SYNTAX"


def test_a_missing_slice_and_one_position_for_all(dicom: Path) -> None:
    for name, code in (("sliceincrement", "GEOMETRY_GAP"), ("notavolume", "GEOMETRY")):
        with pytest.raises(MiniSegError) as caught:
            open_study(dicom / "bad-geometry" / name)
        assert caught.value.code == code


def test_a_tilted_gantry_keeps_its_geometry(dicom: Path, tmp_path: Path) -> None:
    for index in range(1, 15):  # the thin slices; the thick ones above them make the whole uneven
        shutil.copy(dicom / "gantry-tilt-head" / f"{index:02}.dcm", tmp_path)
    study = open_study(tmp_path)
    assert study.geometry.tilt_degrees == pytest.approx(18.5, abs=0.1)
    assert study.geometry.slice_spacing_mm == pytest.approx(4.0, abs=0.01)
    with pytest.raises(MiniSegError, match="GEOMETRY_GAP"):
        open_study(dicom / "gantry-tilt-head")


def test_a_chest_series(dicom: Path) -> None:
    volume = open_study(dicom / "siemens-chest").volume()
    assert volume.voxels_hu.shape == (30, 512, 512)
    assert volume.geometry.slice_spacing_mm == 8.0
    assert volume.origin.images[0].file.name == "1-30.dcm"
