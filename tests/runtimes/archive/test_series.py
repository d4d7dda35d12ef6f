"""What an archive holds, by any kind of source."""

import zipfile
from collections import Counter
from pathlib import Path

import fsspec
import pytest

from miniseg_edge.errors import InputError, NoImagesError
from miniseg_edge.runtimes.archive.series import find_series
from miniseg_edge.runtimes.archive.source import source_at
from tests.runtimes.archive.archives import EXPECTED, OTHER_FILES, SERIES, of_series, write_archive
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


def test_series_are_told_by_their_headers_wherever_their_files_lie(archive: Path) -> None:
    found = find_series(source_at(str(archive)))
    assert (len(found.series), found.other_files) == (SERIES, OTHER_FILES)
    assert Counter(one.where for one in found.series) == {**dict.fromkeys(EXPECTED, 1), "pair": 2}
    files = {one.where: len(one.files) for one in found.series}
    assert (files["alone"], files["torn"], files["pair"]) == (5, 6, 3)
    assert len({one.key for one in found.series}) == SERIES


def test_the_largest_come_first(archive: Path) -> None:
    sizes = [one.bytes for one in find_series(source_at(str(archive))).series]
    assert sizes == sorted(sizes, reverse=True)


def test_a_zip_holds_the_same(archive: Path, zipped: str) -> None:
    assert find_series(source_at(zipped)) == find_series(source_at(str(archive)))


def test_file_and_memory_urls_hold_the_same(archive: Path) -> None:
    folder = find_series(source_at(str(archive)))
    assert find_series(source_at(archive.as_uri())) == folder
    memory = fsspec.filesystem("memory")
    memory.put(f"{archive}/", "/archive/", recursive=True)
    try:
        assert find_series(source_at("memory://archive")) == folder
    finally:
        memory.rm("/archive", recursive=True)


def test_files_of_a_zip_are_there_as_long_as_they_are_needed(archive: Path, zipped: str, tmp_path: Path) -> None:
    names = [file.name for file in source_at(zipped).files() if file.name.startswith(("alone/", "scan"))]
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
    assert [one.where for one in find_series(source_at(str(tmp_path / "root"))).series] == ["alone"]


def test_a_single_file_is_an_archive_too(archive: Path) -> None:
    (found,) = find_series(source_at(str(archive / "scan.nii.gz"))).series
    assert found.files == ("scan.nii.gz",)


@pytest.mark.parametrize("source", ["absent", "memory://absent", "zip://::file:///absent.zip", "nothing://x"])
def test_what_is_not_there(source: str, tmp_path: Path) -> None:
    with pytest.raises((NoImagesError, InputError)):
        source_at(source if "://" in source else str(tmp_path / source))
