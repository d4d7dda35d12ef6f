"""Names as people have them, folders with one NIfTI file, and volumes in formats that are not read."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.errors import AmbiguousStudyError, MiniSegError, UnsupportedFormatError
from miniseg_edge.studies import open_study
from miniseg_edge.studies.labels.folders import labelled_cases
from miniseg_edge.studies.labels.of_studies import study_labels
from miniseg_edge.studies.nifti.mask import nifti_from_mask
from miniseg_edge.studies.nifti.names import is_nifti_name
from tests.studies.niftis import SMALL, write_nifti
from tests.studies.series import write_series

NAMES = ("CT.NII.GZ", "CT.NII", "Ct.Nii.Gz", "ct.nii.GZ", "a study of 2024.v2.nii.gz", "ct.nii")


def is_small(volume_hu: np.ndarray) -> bool:
    return np.array_equal(volume_hu, SMALL[::-1, ::-1].transpose(2, 1, 0))


class TestNames:
    """Capitals make no difference, wherever names are looked at."""

    @pytest.mark.parametrize("name", NAMES)
    def test_a_file(self, tmp_path: Path, name: str) -> None:
        volume = open_study(write_nifti(tmp_path / name)).volume()
        assert is_small(volume.voxels_hu)
        assert volume.remarks == ()

    @pytest.mark.parametrize("name", NAMES)
    def test_labels(self, tmp_path: Path, name: str) -> None:
        study = open_study(write_nifti(tmp_path / "ct.nii"))
        mask = (SMALL > 0).astype(np.uint8)
        for path in (write_nifti(tmp_path / "masks" / name, mask), tmp_path / "masks"):
            labels = study_labels(study, path)
            np.testing.assert_array_equal(labels(1), mask[::-1, ::-1, 1].T)

    def test_labelled_cases(self, tmp_path: Path) -> None:
        write_nifti(tmp_path / "images" / "One.NII.GZ")
        write_nifti(tmp_path / "images" / "two.Nii")
        write_nifti(tmp_path / "masks" / "One.nii", (SMALL > 0).astype(np.uint8))
        write_nifti(tmp_path / "masks" / "two.NII.gz", (SMALL > 50).astype(np.uint8))
        cases = labelled_cases(tmp_path / "images", tmp_path / "masks")
        assert [case.name for case in cases] == ["One", "two"]
        for case, above in zip(cases, (0, 50), strict=True):
            slices = case.read()
            assert is_small(np.stack([slice_.values for slice_ in slices]))
            np.testing.assert_array_equal(
                np.stack([slice_.label for slice_ in slices]), SMALL[::-1, ::-1].transpose(2, 1, 0) > above
            )

    def test_a_labelled_case_may_be_a_folder(self, tmp_path: Path) -> None:
        write_nifti(tmp_path / "images" / "case" / "CT.NII.GZ")
        (tmp_path / "images" / "case" / "ct.json").write_text("{}")
        write_nifti(tmp_path / "masks" / "case" / "lesions.nii", (SMALL > 0).astype(np.uint8))
        (case,) = labelled_cases(tmp_path / "images", tmp_path / "masks")
        assert is_small(np.stack([slice_.values for slice_ in case.read()]))

    def test_companions_of_macos_are_no_nifti(self) -> None:
        assert [is_nifti_name(name) for name in ("a/ct.nii", "a/._ct.nii", "._CT.NII.GZ", "ct.nii.txt", "nii")] == [
            True, False, False, False, False,
        ]  # fmt: skip


class TestFolders:
    """One NIfTI file is the study, whatever lies beside it; several are not chosen among."""

    @pytest.mark.parametrize("name", NAMES)
    def test_with_one_file(self, tmp_path: Path, name: str) -> None:
        write_nifti(tmp_path / name)
        volume = open_study(tmp_path).volume()
        assert is_small(volume.voxels_hu)
        assert volume.remarks == ()

    def test_with_other_files_beside_it(self, tmp_path: Path) -> None:
        write_nifti(tmp_path / "sub-01" / "ct" / "ct.nii.gz")
        for name in ("README.txt", "sub-01/ct/ct.json", "sub-01/ct/ct.bval"):
            (tmp_path / name).write_text("of no consequence")
        for name in (".DS_Store", "sub-01/ct/._ct.nii.gz", ".cache/old.nii.gz"):  # hidden
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("of no consequence")
        study = open_study(tmp_path)
        assert is_small(study.volume().voxels_hu)
        assert study.remarks == ("left out: 3 x document",)

    @pytest.mark.parametrize("count", [2, 5, 30])
    def test_with_several_asks_for_one(self, tmp_path: Path, count: int) -> None:
        for index in range(count):
            (tmp_path / "b").mkdir(exist_ok=True)
            shutil.copy(write_nifti(tmp_path / "a.nii"), tmp_path / "b" / f"{index:02d}.nii")
        (tmp_path / "a.nii").unlink()
        with pytest.raises(AmbiguousStudyError) as caught:
            open_study(tmp_path)
        text = str(caught.value)
        assert text.startswith(
            f"SEVERAL_SERIES: {tmp_path.name} holds {count} NIfTI files; expected one, or a choice, got "
        )
        assert "b/00.nii, b/01.nii" in text
        assert text.endswith("Name the file itself.")
        assert text.count(".nii") == min(count, 12)
        assert ("and 18 more" in text) == (count == 30)

    def test_whose_name_ends_like_a_files(self, tmp_path: Path) -> None:
        """As macOS unpacks an archive."""
        write_nifti(tmp_path / "ct.nii.gz" / "ct.nii")
        assert is_small(open_study(tmp_path / "ct.nii.gz").volume().voxels_hu)

    def test_with_dicom_is_dicom(self, tmp_path: Path) -> None:
        study = open_study(write_series(tmp_path / "series", 3))
        mask = nifti_from_mask(np.zeros((3, *study.size), np.uint8), study.geometry, study.origin)
        (tmp_path / "series" / "mask.nii").write_bytes(mask)
        assert open_study(tmp_path / "series").origin.format == "dicom"

    def test_with_phases_asks_for_one(self, tmp_path: Path) -> None:
        write_nifti(tmp_path / "ct.nii.gz", np.stack([SMALL, SMALL + 1], axis=3))
        with pytest.raises(AmbiguousStudyError, match="2 phases"):
            open_study(tmp_path)
        assert open_study(tmp_path, phase=1).read(0).voxels_hu.min() == SMALL.min() + 1

    @pytest.mark.parametrize("name", ["ct.nii.gz", "a/CT.NII"])
    def test_in_a_zip(self, tmp_path: Path, name: str) -> None:
        write_nifti(tmp_path / "in" / name)
        with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as made:
            made.write(tmp_path / "in" / name, name)
            made.writestr("README.txt", "of no consequence")
            made.writestr("__MACOSX/._ct.nii.gz", "of no consequence")
        study = open_study(tmp_path / "study.zip")
        assert is_small(study.volume().voxels_hu)
        assert study.remarks == ("left out: 1 x document",)
        with zipfile.ZipFile(tmp_path / "study.zip", "a") as made:
            made.write(tmp_path / "in" / name, "other.nii")
        with pytest.raises(AmbiguousStudyError, match=r"study\.zip holds 2 NIfTI files"):
            open_study(tmp_path / "study.zip")

    def test_of_a_mask_with_other_files(self, tmp_path: Path) -> None:
        study = open_study(write_nifti(tmp_path / "ct.nii"))
        write_nifti(tmp_path / "masks" / "mask.nii.gz", (SMALL > 0).astype(np.uint8))
        (tmp_path / "masks" / "README.txt").write_text("drawn by hand")
        assert study_labels(study, tmp_path / "masks")(0).max() == 1


class TestOtherFormats:
    """What is not read is named, with what to do."""

    @pytest.mark.parametrize(
        ("name", "what", "remedy"),
        [
            ("ct.nii.bz2", "NIfTI that is not compressed with gzip", "compress it with gzip"),
            ("ct.nii.zst", "NIfTI that is not compressed with gzip", "compress it with gzip"),
            ("CT.NII.XZ", "NIfTI that is not compressed with gzip", "compress it with gzip"),
            ("ct.mgz", "a FreeSurfer volume", "Convert it to NIfTI"),
            ("ct.nrrd", "NRRD", "Convert it to NIfTI"),
            ("ct.MHA", "MetaImage", "Convert it to NIfTI"),
            ("ct.mhd", "MetaImage", "Convert it to NIfTI"),
            ("ct.npy", "a NumPy array", "volume_from_array"),
        ],
    )
    @pytest.mark.parametrize("in_folder", [False, True])
    def test_by_its_name(self, tmp_path: Path, name: str, what: str, remedy: str, in_folder: bool) -> None:
        (tmp_path / name).write_bytes(bytes(1000))
        with pytest.raises(UnsupportedFormatError) as caught:
            open_study(tmp_path if in_folder else tmp_path / name)
        text = str(caught.value)
        expected = "expected NIfTI in one file (.nii, .nii.gz) or DICOM"
        assert text.startswith(f"UNSUPPORTED_FORMAT: {name} is in an unsupported format; {expected}, got {what}. ")
        assert remedy in text

    @pytest.mark.parametrize(
        ("header", "image"), [("ct.hdr", "ct.img"), ("CT.HDR", "CT.IMG"), ("c.hdr.gz", "c.img.gz")]
    )
    def test_a_pair(self, tmp_path: Path, header: str, image: str) -> None:
        (tmp_path / header).write_bytes(bytes(348))
        (tmp_path / image).write_bytes(bytes(240))
        for path in (tmp_path / header, tmp_path / image, tmp_path):
            with pytest.raises(
                UnsupportedFormatError, match=r"half of a pair \(.hdr, .img\). Save the pair as one file"
            ):
                open_study(path)

    def test_dicom_may_be_called_anything(self, tmp_path: Path) -> None:
        series = write_series(tmp_path / "series", 3)
        for index, path in enumerate(sorted(series.iterdir())):
            path.rename(series / f"{index}.img")
            (series / f"{index}.hdr").write_text("of no consequence")
        assert len(open_study(series)) == 3
        assert open_study(series / "0.img").origin.format == "dicom"

    def test_dicom_called_nifti_says_what_it_is(self, tmp_path: Path) -> None:
        (path,) = write_series(tmp_path / "series", 1).iterdir()
        with pytest.raises(MiniSegError, match="is not NIfTI; expected NIfTI-1 or NIfTI-2, got DICOM"):
            open_study(path.rename(tmp_path / "ct.nii"))

    def test_a_volume_in_another_format_beside_the_nifti_is_left_out(self, tmp_path: Path) -> None:
        write_nifti(tmp_path / "ct.nii")
        (tmp_path / "lungs.nrrd").write_bytes(bytes(10))
        assert open_study(tmp_path).remarks == ("left out: 1 x NIfTI file",)


@pytest.mark.parametrize("name", ["CT.NII.GZ", "folder-with-one-nifti"])
def test_the_published_cases(shared: Path, name: str) -> None:
    assert len(open_study(shared / "data" / "field-cases" / name)) == 4
