import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from miniseg_edge.errors import InputError
from miniseg_edge.studies import open_study
from miniseg_edge.studies.nifti.mask import nifti_from_mask
from miniseg_edge.studies.provenance import Provenance, provenance_of
from tests.studies.nifti.test_place import rotation, set_to, with_forms
from tests.studies.niftis import RAS, SMALL, nifti_bytes, tilted, write_nifti
from tests.studies.series import write_series

HU = np.arange(120, dtype=np.int16).reshape(6, 5, 4) * 10 - 1000


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_mask_lies_like_the_nifti_that_it_came_from(tmp_path: Path, axes: tuple[int, ...]) -> None:
    affine = np.diag([-0.7, 0.8, 2.5, 1.0])
    affine[:, :3] = affine[:, list(axes)]
    affine[:3, 3] = 3, -4, 5
    hu = HU.transpose(axes)
    nibabel.save(nibabel.Nifti1Image(hu, affine), tmp_path / "v.nii")
    volume = open_study(tmp_path / "v.nii").volume()
    mask = (volume.voxels_hu > 0).astype(np.uint8)
    image = nibabel.Nifti1Image.from_bytes(nifti_from_mask(mask, volume.geometry, volume.origin))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), hu > 0)
    np.testing.assert_allclose(image.affine, affine, atol=1e-6)


@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_a_dicom_series_mask_reads_back_at_its_place(tmp_path: Path, tilt: float) -> None:
    """Tilted or not: what lies at a voxel of the series lies at the same millimetre in the mask."""

    def tilted(index: int, made: Any) -> None:
        made.ImageOrientationPatient = [1, 0, 0, 0, float(np.cos(tilt)), -float(np.sin(tilt))]

    volume = open_study(write_series(tmp_path, 3, tilted)).volume()
    mask = (volume.voxels_hu > 0).astype(np.uint8)
    image = nibabel.Nifti1Image.from_bytes(nifti_from_mask(mask, volume.geometry, volume.origin))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), mask.transpose(2, 1, 0))
    place = volume.geometry.affine @ [3, 2, 1, 1]
    np.testing.assert_allclose(image.affine @ [3, 2, 1, 1], place * [-1, -1, 1, 1], atol=1e-4)


def test_a_mask_of_other_slices_is_refused(tmp_path: Path) -> None:
    volume = open_study(write_series(tmp_path, 2)).volume()
    with pytest.raises(InputError, match="does not fit"):
        nifti_from_mask(np.zeros((3, 4, 4), np.uint8), volume.geometry, volume.origin)


QFORM = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")


def mask_header(folder: Path, data: bytes) -> tuple[Any, Any]:
    """The headers of a source and of the mask that goes back to it."""
    (folder / "v.nii").write_bytes(data)
    study = open_study(folder / "v.nii")
    made = nifti_from_mask(np.zeros((len(study), *study.size), np.uint8), study.geometry, study.origin)
    return nibabel.Nifti1Image.from_bytes(data).header, nibabel.Nifti1Image.from_bytes(made).header


class TestForms:
    """A mask says where it lies in its source's words, as far as they can say it."""

    @pytest.mark.parametrize("codes", [(1, 1), (2, 1), (4, 4), (1, 0), (0, 1), (0, 3), (0, 0)])
    def test_codes_and_forms_are_the_sources(self, tmp_path: Path, codes: tuple[int, int]) -> None:
        affine = rotation(3, -8, 170) @ RAS
        affine[:3, 3] = -120.5, 33.25, -987.125
        edit = set_to(sform_code=codes[0], qform_code=codes[1], xyzt_units=2)
        source, mask = mask_header(tmp_path, nifti_bytes(affine=affine, edit=edit))
        assert (int(mask["sform_code"]), int(mask["qform_code"])) == codes
        if codes[0]:
            np.testing.assert_array_equal(mask.get_sform(), source.get_sform())
        if codes[1]:
            assert [float(mask[name]) for name in QFORM] == [float(source[name]) for name in QFORM]
            assert float(mask["pixdim"][0]) == float(source["pixdim"][0])
        np.testing.assert_allclose(mask["pixdim"][1:4], source["pixdim"][1:4], rtol=1e-6)
        np.testing.assert_array_equal(mask.get_best_affine(), source.get_best_affine())

    @pytest.mark.parametrize("degrees", [-20.0, 5.0, 16.7])
    def test_a_qform_that_cannot_say_the_affine_has_code_0(self, tmp_path: Path, degrees: float) -> None:
        source, mask = mask_header(tmp_path, nifti_bytes(affine=tilted(degrees)))
        assert (int(source["qform_code"]), int(mask["qform_code"]), int(mask["sform_code"])) == (1, 0, 1)
        np.testing.assert_array_equal(mask.get_best_affine(), source.get_best_affine())
        np.testing.assert_allclose(mask.get_zooms(), (0.7, 0.8, 2.5), rtol=1e-6)

    def test_forms_that_are_rounded_stay_as_they_are(self, tmp_path: Path) -> None:
        rounded = np.diag([0.705, 0.8, 2.5, 1.0])
        source, mask = mask_header(tmp_path, with_forms(RAS, rounded, (2, 1)))
        assert (int(mask["sform_code"]), int(mask["qform_code"])) == (2, 1)
        np.testing.assert_array_equal(mask.get_sform(), source.get_sform())
        np.testing.assert_array_equal(mask.get_qform(), source.get_qform())

    @pytest.mark.parametrize(("unit", "mm"), [(1, 1000.0), (3, 0.001), (0, 1.0), (2, 1.0)])
    def test_the_unit_stays(self, tmp_path: Path, unit: int, mm: float) -> None:
        affine = np.diag([0.7 / mm, 0.8 / mm, 2.5 / mm, 1])
        source, mask = mask_header(tmp_path, nifti_bytes(affine=affine, edit=set_to(xyzt_units=unit)))
        np.testing.assert_array_equal(mask.get_best_affine(), source.get_best_affine())
        assert int(mask["xyzt_units"]) == (unit or 2)

    def test_what_is_in_an_unused_form_is_not_copied(self, tmp_path: Path) -> None:
        edit = set_to(sform_code=0, srow_x=[9, 9, 9, 9])
        _, mask = mask_header(tmp_path, nifti_bytes(edit=edit))
        assert not mask["srow_x"].any()
        edit = set_to(qform_code=0, quatern_b=np.nan, qoffset_x=7, pixdim=[-3, 0, 0, 0, 0, 0, 0, 0])
        _, mask = mask_header(tmp_path, nifti_bytes(edit=edit))
        assert not any(float(mask[name]) for name in QFORM)
        np.testing.assert_allclose(mask["pixdim"][:4], [1, 0.7, 0.8, 2.5], rtol=1e-6)

    def test_no_text_of_the_source_is_copied(self, tmp_path: Path) -> None:
        text = {"descrip": b"Secret^Name", "aux_file": b"SECRET", "intent_name": b"SECRET", "db_name": b"SECRET"}
        (tmp_path / "v.nii").write_bytes(nifti_bytes(edit=set_to(**text)))
        study = open_study(tmp_path / "v.nii")
        made = nifti_from_mask(np.zeros((len(study), *study.size), np.uint8), study.geometry, study.origin)
        assert b"secret" not in made.lower()

    def test_it_is_a_label_map(self, tmp_path: Path) -> None:
        _, mask = mask_header(tmp_path, nifti_bytes())
        assert mask.get_intent()[0] == "label"

    def test_a_tilted_dicom_series_has_a_qform_of_code_0(self, tmp_path: Path) -> None:
        def tilt(index: int, made: Any) -> None:
            made.ImageOrientationPatient = [1, 0, 0, 0, float(np.cos(0.3)), -float(np.sin(0.3))]

        for edit, code in ((tilt, 0), (lambda index, header: None, 1)):
            study = open_study(write_series(tmp_path / str(code), 3, edit))
            made = nifti_from_mask(np.zeros((3, *study.size), np.uint8), study.geometry, study.origin)
            header = nibabel.Nifti1Image.from_bytes(made).header
            assert (int(header["sform_code"]), int(header["qform_code"])) == (1, code)


def test_a_mask_of_a_longer_volume_than_nifti_1_can_say_is_nifti_2(tmp_path: Path) -> None:
    hu = np.zeros((2, 2, 33_000), np.int16)
    hu[0, 0, 32_900] = 5
    volume = open_study(write_nifti(tmp_path / "long.nii", hu, np.diag([0.7, 0.8, 0.02, 1]), version=2)).volume()
    drawn_by = Provenance("d" * 64, "openvino", "cpu", "fp32")
    made = nifti_from_mask(
        (volume.voxels_hu > 0).astype(np.uint8), volume.geometry, volume.origin, drawn_by.nifti_stamp
    )
    image = nibabel.Nifti2Image.from_bytes(made)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), hu > 0)
    (tmp_path / "mask.nii.gz").write_bytes(gzip.compress(made))
    assert provenance_of(tmp_path / "mask.nii.gz") == replace(drawn_by, device="")


def test_a_mask_of_nifti_1_still_says_what_drew_it(tmp_path: Path) -> None:
    study = open_study(write_nifti(tmp_path / "v.nii", SMALL))
    drawn_by = Provenance("d" * 64, "openvino", "cpu", "fp32")
    made = nifti_from_mask(
        np.zeros((len(study), *study.size), np.uint8), study.geometry, study.origin, drawn_by.nifti_stamp
    )
    (tmp_path / "mask.nii").write_bytes(made)
    assert provenance_of(tmp_path / "mask.nii") == replace(drawn_by, device="")
