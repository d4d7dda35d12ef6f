"""Archives that change behind a run's back, or want it to read what is not theirs."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from miniseg_edge.errors import PathEscapeError
from miniseg_edge.runtimes.archive import ArchiveReport, reconciling, segment_archive, source
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.source import source_at
from miniseg_edge.runtimes.archive.table import rows_in
from miniseg_edge.runtimes.segment_command import main
from tests.runtimes.archive.archives import nifti, of_series
from tests.runtimes.archive.found import find_series
from tests.studies.series import put, stored_slice, write_series

Segmented = Callable[..., tuple[ArchiveReport, Row]]


@pytest.fixture
def segmented(demo_bundle_path: Path, tmp_path: Path) -> Segmented:
    """Segments the folder `in`, of one series, into the folder `out`."""

    def segment(where: str | None = None) -> tuple[ArchiveReport, Row]:
        output, root = tmp_path / "out", where or tmp_path / "in"
        report = segment_archive(demo_bundle_path, root, output, executor="in-process", formats=("nifti",))
        (row,) = rows_in(output)
        return report, row

    return segment


def send_again(folder: Path, *, as_old: bool) -> None:
    """Writes other pixels into the same files, with as many bytes; `as_old` sets their times back."""
    for path in folder.iterdir():
        before, data = path.stat(), path.read_bytes()
        pixels = stored_slice(int(path.name) + 100).tobytes()
        path.write_bytes(data[: -len(pixels)] + pixels)
        assert path.stat().st_size == before.st_size
        if as_old:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def mask_in(tmp_path: Path, row: Row) -> bytes:
    return (tmp_path / "out" / "series" / row.key / "mask.nii.gz").read_bytes()


@pytest.mark.parametrize("as_old", [False, True], ids=["new times", "old times"])
@pytest.mark.parametrize("settled", [False, True])
def test_a_series_that_was_sent_again_with_as_many_bytes(
    segmented: Segmented, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, as_old: bool, settled: bool
) -> None:
    monkeypatch.setattr(source, "SETTLED_S", 0.0 if settled else 3600.0)
    folder = write_series(tmp_path / "in", 3, of_series(1))
    _, first = segmented()
    assert first.known_by == ("times" if settled else "content")
    mask = mask_in(tmp_path, first)
    send_again(folder, as_old=as_old)
    report, second = segmented()
    assert (report.earlier, report.slices) == (0, 3)
    assert (second.key, second.files, second.bytes) == (first.key, first.files, first.bytes)
    assert second.content_sha256 != first.content_sha256
    assert mask_in(tmp_path, second) != mask


def test_the_same_content_under_other_times_and_names_is_not_done_again(segmented: Segmented, tmp_path: Path) -> None:
    folder = write_series(tmp_path / "in" / "inbox", 3, of_series(1))
    _, first = segmented()
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(folder)
    (tmp_path / "copy").rename(tmp_path / "in" / "kept")
    for path in list((tmp_path / "in" / "kept").iterdir()):
        path.rename(path.with_name(f"IM{path.name}"))
    report, second = segmented()
    assert (report.earlier, report.slices) == (1, 0)
    assert (second.created, second.content_sha256) == (first.created, first.content_sha256)
    assert second.stamp != first.stamp
    assert (first.source, second.source) == ("inbox", "kept")


def test_files_that_have_settled_are_not_read_again(
    segmented: Segmented, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "SETTLED_S", 0.0)
    write_series(tmp_path / "in", 3, of_series(1))
    _, first = segmented()
    monkeypatch.setattr(reconciling, "content_sha256", lambda files: pytest.fail("it was read"))
    report, second = segmented()
    assert (report.earlier, report.files, report.headers) == (1, 3, 0)
    assert second == first


def test_a_zip_that_was_written_again(segmented: Segmented, tmp_path: Path) -> None:
    """A storage that says nothing but sizes."""
    folder = write_series(tmp_path / "in", 2, of_series(1))

    def pack() -> str:
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as packed:
            for path in sorted(folder.iterdir()):
                packed.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
        return f"zip://::file://{tmp_path / 'in.zip'}"

    _, first = segmented(pack())
    assert first.known_by == "content"
    assert segmented(pack())[0].earlier == 1
    send_again(folder, as_old=True)
    report, second = segmented(pack())
    assert report.earlier == 0
    assert second.content_sha256 != first.content_sha256


def test_a_storage_with_etags_is_known_by_them() -> None:
    entries: list[dict[str, object]] = [
        {"size": 5, "ETag": '"a"', "LastModified": "x"},
        {"size": 5, "etag": 'W/"a"'},
        {"size": 5},
    ]
    assert [source._far_file("x", entry).known_by for entry in entries] == ["etag", "content", "content"]
    stamps = {source._far_file("x", {"size": 5, "ETag": f'"{tag}"'}).stamp for tag in "ab"}
    assert len(stamps) == 2


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """An archive whose last slice, and a second series, are links to another user's files."""
    write_series(tmp_path / "in" / "alone", 3, of_series(1))
    write_series(tmp_path / "elsewhere", 4, of_series(1, put(PatientName="of^another")))
    (tmp_path / "elsewhere" / "scan.nii.gz").write_bytes(nifti(2))
    try:
        (tmp_path / "in" / "alone" / "897").symlink_to(tmp_path / "elsewhere" / "897")
        (tmp_path / "in" / "scan.nii.gz").symlink_to(tmp_path / "elsewhere" / "scan.nii.gz")
        (tmp_path / "in" / "README.txt").symlink_to("/etc/passwd")
        (tmp_path / "in" / "all").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "in" / "inside").symlink_to(tmp_path / "in" / "alone", target_is_directory=True)
    except OSError:
        pytest.skip("this system has no links for us")
    return tmp_path / "in"


@pytest.mark.parametrize("as_url", [False, True], ids=["folder", "file URL"])
def test_links_out_of_an_archive_are_counted_and_not_followed(
    linked: Path, demo_bundle_path: Path, tmp_path: Path, *, as_url: bool
) -> None:
    where = linked.as_uri() if as_url else linked
    report = segment_archive(demo_bundle_path, where, tmp_path / "out", executor="in-process", formats=("json",))
    assert (report.series, report.failed, report.links_out, report.other_files) == (2, 2, 4, 1)
    assert dict(report.errors) == {"PATH_ESCAPE": 2}, "a series never shrinks without a word"
    assert {row.error for row in rows_in(tmp_path / "out")} == {
        f"PATH_ESCAPE: {name} is a link to outside the archive; expected a file in the archive, got a link that is not "
        "followed. Copy the file into the archive, or add --follow-links."
        for name in ("alone/897", "scan.nii.gz")
    }


def test_files_behind_links_are_read_if_asked_for(
    linked: Path, demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(demo_bundle_path), str(linked), "--output", str(tmp_path / "out"), "--distributed", "in-process"]
    assert main(arguments) == 1
    assert "links out of the archive" in capsys.readouterr().out
    assert main([*arguments, "--follow-links"]) == 0
    assert sorted(row.slices for row in rows_in(tmp_path / "out")) == [2, 4]
    assert main([str(demo_bundle_path), str(linked), "--output", str(tmp_path / "x"), "--follow-links"]) == 2


def test_a_file_that_becomes_a_link_out_after_it_was_found(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "in", 2, of_series(1))
    write_series(tmp_path / "elsewhere", 2, of_series(1))
    opened = source_at(str(folder))
    (found,) = find_series(folder).series
    (folder / "899").unlink()
    try:
        (folder / "899").symlink_to(tmp_path / "elsewhere" / "899")
    except OSError:
        pytest.skip("this system has no links for us")
    with pytest.raises(PathEscapeError), opened.fetched(found.files, tmp_path):
        pytest.fail("it was followed")
    with pytest.raises(PathEscapeError):
        opened.opened("899")


def test_links_inside_an_archive_and_links_in_a_circle(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "in", 2, of_series(1))
    (tmp_path / "in" / "real").mkdir()
    (folder / "899").rename(folder / "real" / "x")
    try:
        (folder / "899").symlink_to("real/x")
        (folder / "circle").symlink_to("circle")
    except OSError:
        pytest.skip("this system has no links for us")
    found = find_series(folder)
    assert found.links_out == 0
    assert sorted(found.series[0].files) == ["899", "900", "circle", "real/x"]
