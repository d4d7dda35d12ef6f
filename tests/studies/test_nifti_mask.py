from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from miniseg_edge.errors import InputError
from miniseg_edge.studies import open_study
from miniseg_edge.studies.nifti_mask import nifti_from_mask
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
