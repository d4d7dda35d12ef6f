import gzip
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

from miniseg_edge.errors import GeometryError, InputError, MiniSegError, NoImagesError, UnsupportedFormatError
from miniseg_edge.studies import open_study
from miniseg_edge.studies.labels.folders import labelled_cases
from miniseg_edge.studies.labels.of_studies import study_labels
from miniseg_edge.studies.nifti.mask import nifti_from_mask
from miniseg_edge.studies.seg.dicom_seg import dicom_seg_from_mask, seg_sources
from tests.studies.series import SIZE, stored_slice, write_enhanced, write_series

DEPTH = 4
MASK = (np.random.default_rng(0).random((DEPTH, *SIZE)) > 0.7).astype(np.uint8)
MASK[1] = 0


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write_series(tmp_path / "images" / "chest", DEPTH)


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_a_nifti_mask_of_a_dicom_series(series: Path, tmp_path: Path) -> None:
    study = open_study(series)
    path = written(tmp_path / "mask.nii.gz", nifti_from_mask(MASK, study.geometry, study.origin))
    labels = study_labels(study, path)
    assert np.array_equal([labels(index) for index in range(DEPTH)], MASK)


@pytest.mark.parametrize("enhanced", [False, True])
def test_a_segmentation_object(series: Path, tmp_path: Path, enhanced: bool) -> None:
    source = write_enhanced(tmp_path / "enhanced.dcm", DEPTH) if enhanced else series
    study = open_study(source)
    path = written(
        tmp_path / "masks" / "chest.dcm", dicom_seg_from_mask(MASK, seg_sources(study.geometry, study.origin), "digest")
    )
    for mask in (path, path.parent):
        labels = study_labels(study, mask)
        assert np.array_equal([labels(index) for index in range(DEPTH)], MASK)


def test_a_mask_that_lies_elsewhere_is_refused(series: Path, tmp_path: Path) -> None:
    study = open_study(series)
    image = nibabel.Nifti1Image.from_bytes(nifti_from_mask(MASK, study.geometry, study.origin))
    moved = image.affine.copy()
    moved[2, 3] += 2.5
    for name, data, affine in (
        ("moved", image.get_fdata(), moved),
        ("short", image.get_fdata()[..., 1:], image.affine),
    ):
        path = tmp_path / f"{name}.nii"
        nibabel.save(nibabel.Nifti1Image(data.astype(np.uint8), affine), path)
        with pytest.raises(GeometryError):
            study_labels(study, path)


def test_what_is_no_mask_is_refused(series: Path, tmp_path: Path) -> None:
    study = open_study(series)
    with pytest.raises(UnsupportedFormatError):
        study_labels(study, written(tmp_path / "mask.txt", b"nothing"))
    with pytest.raises(NoImagesError):
        study_labels(study, series)
    with pytest.raises(InputError):
        study_labels(study, next(series.iterdir()))  # a CT image
    other = open_study(write_series(tmp_path / "other", DEPTH))
    seg = written(
        tmp_path / "other.dcm", dicom_seg_from_mask(MASK, seg_sources(other.geometry, other.origin), "digest")
    )
    with pytest.raises(InputError, match=r"other\.dcm is not a mask of its study"):
        study_labels(study, seg)
    volume = tmp_path / "volume.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 2), np.int16), np.eye(4)), volume)
    with pytest.raises(InputError, match="DICOM"):
        study_labels(open_study(volume), seg)


class TestCases:
    """Studies as labelled cases."""

    def test_a_folder_of_series(self, series: Path, tmp_path: Path) -> None:
        study = open_study(series)
        written(tmp_path / "masks" / "chest.nii.gz", nifti_from_mask(MASK * 3, study.geometry, study.origin))
        (case,) = labelled_cases(tmp_path / "images", tmp_path / "masks")
        assert (case.name, case.is_study) == ("chest", True)
        slices = case.read()
        assert [slice_.name for slice_ in slices] == [f"chest:{index:04d}" for index in range(DEPTH)]
        for index, slice_ in enumerate(slices):
            assert np.array_equal(slice_.values, hu(index))
            assert np.array_equal(slice_.label, MASK[index])
            assert slice_.spacing_mm == pytest.approx((2.5, 0.8, 0.7))

    def test_one_series_and_one_mask_need_no_name_in_common(self, series: Path, tmp_path: Path) -> None:
        study = open_study(series)
        path = written(tmp_path / "lesions.nii", nifti_from_mask(MASK, study.geometry, study.origin))
        (case,) = labelled_cases(series, path)
        assert len(case.read()) == DEPTH

    def test_neighbours_as_channels(self, series: Path, tmp_path: Path) -> None:
        study = open_study(series)
        path = written(tmp_path / "lesions.nii.gz", nifti_from_mask(MASK, study.geometry, study.origin))
        slices = labelled_cases(series, path, separate_channels=True)[0].read()
        for index, slice_ in enumerate(slices):
            neighbours = (max(0, index - 1), index, min(DEPTH - 1, index + 1))
            assert np.array_equal(slice_.values, np.stack([hu(i) for i in neighbours], axis=-1))

    def test_nifti_beside_nifti_in_any_orientation(self, tmp_path: Path) -> None:
        affine = np.array([[0, 0.7, 0, 5], [-0.8, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
        hu_ = np.arange(5 * 6 * 3, dtype=np.int16).reshape(5, 6, 3) - 40
        for folder, data in (("images", hu_), ("masks", (hu_ > 10).astype(np.uint8))):
            (tmp_path / folder).mkdir()
            nibabel.save(nibabel.Nifti1Image(data, affine), tmp_path / folder / "one.nii.gz")
        (case,) = labelled_cases(tmp_path / "images", tmp_path / "masks")
        for slice_ in case.read():
            assert np.array_equal(slice_.label, slice_.values > 10)

    def test_no_patient_in_messages(self, series: Path, tmp_path: Path) -> None:
        (tmp_path / "masks").mkdir()
        next(series.iterdir()).rename(tmp_path / "masks" / "chest.dcm")
        with pytest.raises(MiniSegError) as caught:
            labelled_cases(tmp_path / "images", tmp_path / "masks")[0].read()
        assert "SECRET" not in str(caught.value)


def hu(index: int) -> npt.NDArray[np.float32]:
    return stored_slice(index).astype(np.float32) - 1024
