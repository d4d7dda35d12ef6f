"""A study in a zip or behind a DICOMDIR is the study in the folder."""

import gc
import shutil
import threading
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from miniseg_edge.errors import InputError, NoImagesError, UnsupportedFormatError
from miniseg_edge.studies import open_study, source_files
from miniseg_edge.studies.source_files import DiskFile
from tests.studies.series import put, write_series


def zipped(folder: Path, path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for file in sorted(folder.rglob("*")):
            made.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["study.zip", "study", "STUDY.ZIP"])
def test_a_zip_is_its_folder(tmp_path: Path, method: int, name: str) -> None:
    folder = write_series(tmp_path / "in" / "deep" / "series", 4)
    (tmp_path / "in" / "README.txt").write_text("hello")
    plain, packed = open_study(tmp_path / "in"), open_study(zipped(tmp_path / "in", tmp_path / name, method))
    assert packed.remarks == plain.remarks == ("left out: 1 x document",)
    one, other = plain.volume(), packed.volume()
    np.testing.assert_array_equal(other.voxels_hu, one.voxels_hu)
    assert (other.sha256, other.geometry) == (one.sha256, one.geometry)
    shutil.rmtree(folder)


def test_slices_of_a_zip_are_read_from_many_threads(tmp_path: Path) -> None:
    write_series(tmp_path / "in", 8)
    study = open_study(zipped(tmp_path / "in", tmp_path / "study.zip"))
    expected, wrong = study.volume().voxels_hu, list[int]()

    def read(shift: int) -> None:
        for index in [(shift + step) % 8 for step in range(40)]:
            if not np.array_equal(study.read(index).voxels_hu, expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=read, args=(shift,)) for shift in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_zip_that_is_damaged_or_encrypted_is_an_error(tmp_path: Path) -> None:
    write_series(tmp_path / "in", 3)
    path = zipped(tmp_path / "in", tmp_path / "study.zip", zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnsupportedFormatError, match=r"cut\.zip is not a readable zip"):
        open_study(tmp_path / "cut.zip")
    data[3000] ^= 1  # in the first member, whose checksum tells
    (tmp_path / "flipped.zip").write_bytes(data)
    with pytest.raises(UnsupportedFormatError, match="cannot be unpacked"):
        open_study(tmp_path / "flipped.zip").volume()
    with zipfile.ZipFile(path) as made:
        offsets = [info.header_offset for info in made.infolist()]
    locked = bytearray(path.read_bytes())
    for position in [*offsets, *(i for i in range(len(locked)) if locked[i : i + 4] == b"PK\x01\x02")]:
        locked[position + (8 if locked[position + 2] == 1 else 6)] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(UnsupportedFormatError, match="password"):
        open_study(tmp_path / "locked.zip")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_files, "MAX_FILE_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("000.dcm", bytes(20_000))
    with pytest.raises(UnsupportedFormatError, match=r"000\.dcm is too large: 20000"):
        open_study(tmp_path / "bomb.zip")


def test_empty_and_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoImagesError, match="empty is empty"):
        open_study(tmp_path / "empty")
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as made:
        made.writestr("folder/", "")
        made.writestr("folder/notes.txt", "text")
    with pytest.raises(UnsupportedFormatError, match="1 document"):
        open_study(tmp_path / "some.zip")
    monkeypatch.setattr(source_files, "MAX_FILES", 2)
    with pytest.raises(InputError, match="too many files"):
        open_study(write_series(tmp_path / "series", 3))


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """A medium with a DICOMDIR and two series."""
    made = FileSet()
    for name, number in (("one", 4), ("two", 9)):
        series = write_series(
            tmp_path / name, 4,
            put(StudyID="1", StudyDate="20200101", StudyTime="120000", SeriesNumber=number, InstanceNumber=1,
                SeriesInstanceUID=f"1.2.3.{number}", AccessionNumber="1", PatientBirthDate="", PatientSex="O"),
        )  # fmt: skip
        for path in series.iterdir():
            made.add(pydicom.dcmread(path))
    made.write(tmp_path / "medium")
    with warnings.catch_warnings():  # pydicom leaves its temporary folder to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        del made
        gc.collect()
    return tmp_path / "medium"


def test_a_dicomdir_opens_its_medium(medium: Path) -> None:
    for source in (medium, medium / "DICOMDIR"):
        study = open_study(source, series=4)
        assert (len(study), study.remarks) == (4, ())


def test_a_slice_that_the_dicomdir_lists_is_missed(medium: Path, tmp_path: Path) -> None:
    first = open_study(medium, series=4).origin.images[0].file  # the end of the stack: no gap tells of it
    (path,) = (path for path in medium.rglob("*") if path.name == first.name and path.is_file()
               and pydicom.dcmread(path, force=True).get("SeriesNumber") == 4)  # fmt: skip
    path.unlink()
    for source in (medium, medium / "DICOMDIR", zipped(medium, tmp_path / "medium.zip")):
        with pytest.raises(InputError, match=f"images of the series that the DICOMDIR lists.*1 missing: {path.name}"):
            open_study(source, series=4)
        assert len(open_study(source, series=9)) == 4


def test_a_dicomdir_alone_and_a_packed_study_are_told_what_they_are(medium: Path, tmp_path: Path) -> None:
    packed = zipped(medium, tmp_path / "inner.zip")
    for path in medium.iterdir():
        if path.name != "DICOMDIR":
            shutil.rmtree(path)
    with pytest.raises(UnsupportedFormatError, match="a DICOMDIR without the images that it lists"):
        open_study(medium / "DICOMDIR")
    (tmp_path / "outer").mkdir()
    packed.rename(tmp_path / "outer" / "inner.zip")
    with pytest.raises(UnsupportedFormatError, match=r"1 archive\. Unpack the archive first"):
        open_study(tmp_path / "outer")


def test_an_empty_zip_is_empty(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(NoImagesError, match=r"empty\.zip is empty"):
        open_study(tmp_path / "empty.zip")


def test_images_that_are_there_are_not_missed_where_the_dicomdir_is_cut_or_out_of_date(
    medium: Path, tmp_path: Path
) -> None:
    whole = (medium / "DICOMDIR").read_bytes()
    for end in range(900, len(whole), 50):
        (medium / "DICOMDIR").write_bytes(whole[:end])
        study = open_study(medium, series=4)
        assert len(study) == 4
        assert "does not tell whether images are missing" in study.remarks[0]
    (medium / "DICOMDIR").write_bytes(whole)
    for path in medium.rglob("*"):
        if path.is_file() and path.name != "DICOMDIR":
            renewed = pydicom.dcmread(path)
            renewed.SOPInstanceUID = renewed.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
            renewed.save_as(path)
    assert len(open_study(medium, series=4)) == 4
    assert len(open_study(zipped(medium, tmp_path / "medium.zip"), series=4)) == 4


@pytest.mark.parametrize("name", ["dicomdir", "DICOMDIR.", "DICOMDIR.;1"])
def test_a_dicomdir_may_be_named_as_a_disc_names_it(medium: Path, name: str) -> None:
    (medium / "DICOMDIR").rename(medium / name)
    study = open_study(medium, series=4)
    assert study.remarks == ()
    for image in study.origin.images[:1]:
        assert isinstance(image.file, DiskFile)
        image.file.path.unlink()
    with pytest.raises(InputError, match="that the DICOMDIR lists"):
        open_study(medium / name, series=4)


def test_a_dicomdir_that_cannot_be_read_is_left_alone(medium: Path) -> None:
    for data in (b"", b"garbage" * 100, bytes(128) + b"DICM" + bytes(range(200))):
        (medium / "DICOMDIR").write_bytes(data)
        assert len(open_study(medium, series=4)) == 4
