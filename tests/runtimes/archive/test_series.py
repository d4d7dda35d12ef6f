"""What an archive holds, by any kind of source."""

import gzip
import zipfile
from collections import Counter
from pathlib import Path

import fsspec
import pytest

from miniseg_edge.errors import InputError, NoImagesError
from miniseg_edge.runtimes.archive.source import source_at
from tests.privileges import permissions_bind
from tests.runtimes.archive.archives import EXPECTED, OTHER_FILES, SERIES, of_series, write_archive
from tests.runtimes.archive.found import find_series
from tests.studies.dicom.test_headers import SPOILT
from tests.studies.series import write_series


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive") / "root")


@pytest.fixture(scope="module")
def zipped(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("zip") / "archive.zip"
    with zipfile.ZipFile(path, "w") as zip_file:
        for file in archive.rglob("*"):
            zip_file.write(file, file.relative_to(archive))
    return f"zip://::file://{path}"


def held_by(source: str) -> tuple[object, ...]:
    """All that does not depend on the kind of storage."""
    found = find_series(source)
    return found.other_files, found.links_out, [(one.key, one.where, one.files, one.bytes) for one in found.series]


def test_series_are_told_by_their_headers_wherever_their_files_lie(archive: Path) -> None:
    found = find_series(archive)
    assert (len(found.series), found.other_files) == (SERIES, OTHER_FILES)
    assert Counter(one.where for one in found.series) == {**dict.fromkeys(EXPECTED, 1), "pair": 2}
    files = {one.where: len(one.files) for one in found.series}
    assert (files["alone"], files["torn"], files["pair"]) == (5, 6, 3)
    assert len({one.key for one in found.series}) == SERIES


def test_the_largest_come_first(archive: Path) -> None:
    sizes = [one.bytes for one in find_series(archive).series]
    assert sizes == sorted(sizes, reverse=True)


def test_a_zip_holds_the_same(archive: Path, zipped: str) -> None:
    assert held_by(zipped) == held_by(str(archive))


def test_file_and_memory_urls_hold_the_same(archive: Path) -> None:
    folder = held_by(str(archive))
    assert held_by(archive.as_uri()) == folder
    memory = fsspec.filesystem("memory")
    memory.put(f"{archive}/", "/archive/", recursive=True)
    try:
        assert held_by("memory://archive") == folder
    finally:
        memory.rm("/archive", recursive=True)


def test_files_of_a_zip_are_there_as_long_as_they_are_needed(archive: Path, zipped: str, tmp_path: Path) -> None:
    found = find_series(zipped).series
    names = sorted(file for one in found for file in one.files if file.startswith(("alone/", "scan")))
    with source_at(zipped).fetched(names, tmp_path) as copies:
        assert [path.read_bytes() for path in copies] == [(archive / name).read_bytes() for name in names]
        assert copies[-1].name.endswith(".nii.gz")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_went_away_is_an_error_of_its_series(zipped: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be fetched"), source_at(zipped).fetched(["gone"], tmp_path):
        pytest.fail("there is nothing")
    assert list(tmp_path.iterdir()) == []


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write_series(tmp_path / "root" / "alone", 2, of_series(1))
    try:
        (tmp_path / "root" / "loop").symlink_to(tmp_path / "root", target_is_directory=True)
    except OSError:
        pytest.skip("this system has no links for us")
    assert [one.where for one in find_series(tmp_path / "root").series] == ["alone"]


@pytest.mark.parametrize("fault", ["empty", "zeros", "cut in group 2", "another program's answer"])
def test_a_file_that_may_be_a_slice_goes_to_every_series_in_its_folder(tmp_path: Path, fault: str) -> None:
    root = tmp_path / "root"
    for name, number in (("pair", 1), ("pair", 2), ("alone", 3)):
        for path in write_series(root / name / str(number), 3, of_series(number)).iterdir():
            path.rename(root / name / f"{number}-{path.name}")
        (root / name / str(number)).rmdir()
    (root / "lost").mkdir()
    for folder in ("pair", "lost"):
        write_series(tmp_path / "spare", 1)
        SPOILT[fault]((tmp_path / "spare" / "900").rename(root / folder / "IM9"))
    found = {one.files: one.where for one in find_series(root).series}
    assert Counter(found.values()) == {"pair": 2, "alone": 1, "lost/IM9": 1}
    assert all(("pair/IM9" in files) == (where == "pair") for files, where in found.items())


def test_a_file_that_is_named_like_the_slices_goes_to_their_series(tmp_path: Path) -> None:
    write_series(tmp_path / "root", 3, of_series(1))
    (tmp_path / "root" / "901").write_text("<html>401</html>")
    (tmp_path / "root" / "LICENSE").write_text("a licence")
    found = find_series(tmp_path / "root")
    assert [len(one.files) for one in found.series] == [4]
    assert found.other_files == 1


def test_slices_in_other_forms_belong_to_their_series(tmp_path: Path) -> None:
    for path in sorted(write_series(tmp_path / "root", 4, of_series(1)).iterdir())[:3]:
        path.write_bytes(gzip.compress(path.read_bytes()) if path.name == "897" else path.read_bytes()[132:])
    (found,) = find_series(tmp_path / "root").series
    assert len(found.files) == 4


def test_a_folder_that_cannot_be_listed_and_a_link_to_nothing_are_found(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_series(root / "alone", 2, of_series(1))
    (root / "closed").mkdir(mode=0)
    try:
        (root / "alone" / "gone").symlink_to(tmp_path / "nowhere")
        with permissions_bind():
            found = find_series(root)
    except OSError:
        pytest.skip("this system has no links for us")
    finally:
        (root / "closed").chmod(0o700)
    assert sorted(one.where for one in found.series) == ["alone", "closed"]
    assert max(len(one.files) for one in found.series) == 3


@pytest.mark.parametrize("mode", [0o444, 0o111, 0], ids=["names alone", "no names", "nothing"])
def test_what_lies_in_a_folder_without_permission_is_found(tmp_path: Path, mode: int) -> None:
    """The folder, or the names in it; as a folder and as a URL."""
    root = tmp_path / "root"
    lost = write_series(root / "alone", 2, of_series(1)) / "lost"
    write_series(lost, 1, of_series(1))
    lost.chmod(mode)
    try:
        with permissions_bind():
            for source in (str(root), root.as_uri()):
                found = find_series(source)
                names = {name for one in found.series for name in one.files}
                assert names & {"alone/lost", "alone/lost/900"}
    finally:
        lost.chmod(0o700)


def test_a_single_file_is_an_archive_too(archive: Path) -> None:
    (found,) = find_series(archive / "scan.nii.gz").series
    assert found.files == ("scan.nii.gz",)


@pytest.mark.parametrize("source", ["absent", "memory://absent", "zip://::file:///absent.zip", "nothing://x"])
def test_what_is_not_there(source: str, tmp_path: Path) -> None:
    with pytest.raises((NoImagesError, InputError)):
        source_at(source if "://" in source else str(tmp_path / source))
