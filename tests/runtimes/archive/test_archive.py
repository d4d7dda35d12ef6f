"""An archive in one process: rows, results, resuming, and refusals."""

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pydicom
import pytest
from nibabel import Nifti1Image

import miniseg_edge
from miniseg_edge.errors import OutputError, OutputExistsError, UsageError, WorkerDiedError
from miniseg_edge.runtimes.archive import ArchiveReport, Crew, segment_archive, source
from miniseg_edge.runtimes.archive.output_folder import OutputFolder
from miniseg_edge.runtimes.archive.storage.output import output_at
from miniseg_edge.runtimes.archive.table import parquet_from_rows, rows_in
from miniseg_edge.runtimes.archive.work import Work
from miniseg_edge.runtimes.archive.worker import ATTEMPTS, GivenUp, Worker, after_deaths
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.studies import open_study
from tests.runtimes.archive.archives import EXPECTED, OTHER_FILES, SERIES, nifti, of_series, results_in, write_archive
from tests.runtimes.archive.found import find_series
from tests.studies.raw_headers import raw_series
from tests.studies.series import write_series


@pytest.fixture(scope="module", autouse=True)
def _settled() -> Iterator[None]:
    """Files count as settled as soon as they are written, so that nothing need be compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "SETTLED_S", 0.0)
        yield


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive") / "root")


@pytest.fixture(scope="module")
def ran(archive: Path, demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ArchiveReport, Path]:
    output = tmp_path_factory.mktemp("results") / "out"
    return segment_archive(demo_bundle_path, archive, output, executor="in-process"), output


@pytest.fixture
def again(ran: tuple[ArchiveReport, Path], tmp_path: Path) -> Path:
    """A copy of the results, to resume from."""
    return Path(shutil.copytree(ran[1], tmp_path / "again"))


def test_every_series_has_one_row_that_says_what_came_of_it(ran: tuple[ArchiveReport, Path]) -> None:
    rows = rows_in(ran[1])
    assert len({row.key for row in rows}) == len(rows) == SERIES
    assert {row.source: (row.status, row.error_code, row.slices) for row in rows} == EXPECTED
    assert all((row.error is None) == (row.status == "done") for row in rows)


def test_the_report_counts_them(ran: tuple[ArchiveReport, Path]) -> None:
    report = ran[0]
    statuses = Counter(status for status, _, _ in EXPECTED.values())
    assert (report.done, report.failed, report.skipped) == (
        statuses["done"] + 1, statuses["failed"], statuses["skipped"],
    )  # fmt: skip
    assert dict(report.errors) == {"UNSUPPORTED_FORMAT": 3, "GEOMETRY_GAP": 1}
    assert (report.series, report.earlier, report.other_files) == (SERIES, 0, OTHER_FILES)
    assert report.slices == 5 + 3 + 3 + 6 + 4 + 4 + 2


def test_masks_and_findings_are_those_of_the_api(
    ran: tuple[ArchiveReport, Path], archive: Path, demo_bundle_path: Path
) -> None:
    row = next(row for row in rows_in(ran[1]) if row.source == "torn")
    folder = ran[1] / "series" / row.key
    study = open_study(archive / "torn")
    with miniseg_edge.load(demo_bundle_path, row.runtime or "") as segmenter:
        mask = segmenter.segment_volume_hu(study.volume().voxels_hu).mask
    image = Nifti1Image.from_bytes(gzip.decompress((folder / "mask.nii.gz").read_bytes()))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), mask.transpose(2, 1, 0))
    assert mask.any()
    findings = json.loads((folder / "findings.json").read_text())
    assert row.lesion_volume_ml == findings["lesion_volume_ml"]
    assert (row.lesions, row.finding, row.slices_with_findings) == (
        findings["lesions"], findings["finding"], len(findings["slices_with_findings"]),
    )  # fmt: skip
    assert row.input_sha256 == findings["ran"]["input_sha256"] == study.volume().sha256


def test_nothing_names_a_patient_and_nothing_else_is_left(ran: tuple[ArchiveReport, Path]) -> None:
    for path in (path for path in ran[1].rglob("*") if path.is_file()):
        content = pyarrow.parquet.read_table(path).to_pylist() if path.suffix == ".parquet" else path.read_bytes()
        assert "secret" not in str(content).lower(), path
    assert {path.name for path in ran[1].iterdir()} == {"run.json", "index", "rows", "series", ".lock"}
    files = Counter(path.name for path in (ran[1] / "series").rglob("*") if path.is_file())
    done = ran[0].done
    assert files == {"row.json": SERIES, "mask.nii.gz": done, "findings.json": done}


def test_rows_survive_parquet(ran: tuple[ArchiveReport, Path], tmp_path: Path) -> None:
    folder = OutputFolder(output_at(ran[1]))
    committed = {key: folder.row(key) for key in folder.done()}
    assert {row.key: row for row in rows_in(ran[1])} == committed
    empty = replace(rows_in(ran[1])[0], error="", lesions=None, bytes=2**40)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "part-0.parquet").write_bytes(parquet_from_rows([empty]))
    assert rows_in(tmp_path) == [empty]


def test_a_run_that_is_done_does_nothing_again(again: Path, archive: Path, demo_bundle_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (again / "series").rglob("*")}
    report = segment_archive(demo_bundle_path, archive, again, executor="in-process")
    assert (report.earlier, report.slices) == (SERIES, 0)
    assert {path: path.stat().st_mtime_ns for path in (again / "series").rglob("*")} == before


def test_what_is_not_committed_is_done_and_nothing_else(again: Path, archive: Path, demo_bundle_path: Path) -> None:
    results, rows = results_in(again), {row.key: row for row in rows_in(again)}
    lost = [row for row in rows.values() if row.source in ("torn", "scan.nii.gz", "gap")]
    for row in lost:
        (again / "series" / row.key / "row.json").unlink()
    shutil.rmtree(again / "rows")
    report = segment_archive(demo_bundle_path, archive, again, executor="in-process")
    assert (report.earlier, report.slices) == (SERIES - 3, 6 + 4)
    found = {row.key: row for row in rows_in(again)}
    assert found.keys() == rows.keys()
    assert {key for key, row in found.items() if row != rows[key]} == {row.key for row in lost}
    assert {key: row.result for key, row in found.items()} == {key: row.result for key, row in rows.items()}
    assert results_in(again) == results


def test_failures_are_tried_again_if_asked_for(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "a", 3, of_series(1))
    broken = write_series(tmp_path / "in" / "b", 3, of_series(2)) / "899"
    good, syntax = broken.read_bytes(), b"1.2.840.10008.1.2.1\0"
    assert syntax in good
    broken.write_bytes(good.replace(syntax, b"1.2.840.10008.1.2.9\0"))
    arguments = [str(demo_bundle_path), str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    arguments += ["--distributed", "in-process"]
    assert main(arguments) == 1
    assert sorted(row.status for row in rows_in(tmp_path / "out")) == ["done", "failed"]
    (first,) = (row.created for row in rows_in(tmp_path / "out") if row.status == "failed")
    assert main(arguments) == 1
    assert first in [row.created for row in rows_in(tmp_path / "out")], "it is left as it was"
    assert main([*arguments, "--retry-failed"]) == 1
    assert first not in [row.created for row in rows_in(tmp_path / "out")]
    broken.write_bytes(good)
    assert main(arguments) == 0, "with another content it is another series"
    assert [row.status for row in rows_in(tmp_path / "out")] == ["done", "done"]


def test_a_series_that_grew_is_done_again_in_its_place(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "in", 3, of_series(1))
    segment_archive(demo_bundle_path, tmp_path / "in", tmp_path / "out", executor="in-process")
    write_series(tmp_path / "in", 5, of_series(1))
    segment_archive(demo_bundle_path, tmp_path / "in", tmp_path / "out", executor="in-process")
    assert [row.slices for row in rows_in(tmp_path / "out")] == [5]


def test_a_series_that_workers_die_of_is_given_up(demo_bundle_path: Path, tmp_path: Path) -> None:
    source = write_series(tmp_path / "in", 3, of_series(1))
    (series,) = find_series(source).series
    digest = miniseg_edge.open_bundle(demo_bundle_path).manifest.digest
    work = Work(str(demo_bundle_path), None, digest, str(source), str(tmp_path / "out"), None,
                ("nifti", "json"), "auto", None, 1)  # fmt: skip
    assert after_deaths(series, ATTEMPTS - 1) is series
    given_up = after_deaths(series, ATTEMPTS)
    assert given_up == GivenUp(series)
    assert after_deaths(given_up, ATTEMPTS - 1) is given_up, "nodes may be killed meanwhile"
    with pytest.raises(WorkerDiedError):
        after_deaths(given_up, ATTEMPTS)
    worker = Worker(work, Crew(1))
    row = worker(given_up)
    worker.close()
    assert (row.status, row.error_code) == ("failed", "WORKER_DIED")
    assert row.content_sha256 is not None, "the same series sent again is known"
    assert rows_in(tmp_path / "out") == [row]


def test_other_results_are_not_added_to(again: Path, archive: Path, demo_bundle_path: Path, bundle_path: Path) -> None:
    def refused(**other: object) -> None:
        told = {"bundle": demo_bundle_path, "source": archive, "output": again, "executor": "in-process", **other}
        with pytest.raises(OutputExistsError):
            segment_archive(**told)  # type: ignore[arg-type]

    before = results_in(again)
    refused(bundle=bundle_path)
    refused(source=archive / "alone")
    refused(formats=("json",))
    refused(runtime="onnxruntime")
    refused(output=demo_bundle_path)
    assert results_in(again) == before


def test_two_runs_do_not_work_on_one_folder(again: Path, archive: Path, demo_bundle_path: Path) -> None:
    pytest.importorskip("fcntl", reason="this system has no such locks")
    with OutputFolder(output_at(again)).locked(), pytest.raises(OutputError, match="in use"):
        segment_archive(demo_bundle_path, archive, again, executor="in-process")
    segment_archive(demo_bundle_path, archive, again, executor="in-process")


def test_arguments_that_make_no_sense(demo_bundle_path: Path, archive: Path, tmp_path: Path) -> None:
    def refused(**other: object) -> None:
        told = {"bundle": demo_bundle_path, "source": archive, "output": tmp_path / "out", **other}
        with pytest.raises(UsageError):
            segment_archive(**told)  # type: ignore[arg-type]

    refused(executor="threads")
    refused(executor="in-process", workers=2)
    refused(workers=0)
    refused(formats=("tiff",))
    refused(output=archive / "results")
    refused(crews=[Crew(1)], workers=1)
    refused(crews=[])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        *(["--workers", "2"], ["--retry-failed"], ["--scratch", "x"], ["--distributed", "in-process", "--overwrite"]),
        *(["--distributed", "in-process", "--series", "1.2"], ["--distributed", "in-process", "--ray-address", "x:1"]),
        ["--distributed", "ray", "--ray-folder", "/tmp/" + "x" * 40],
    ],
)
def test_options_that_make_no_sense(demo_bundle_path: Path, archive: Path, tmp_path: Path, options: list[str]) -> None:
    arguments = [str(demo_bundle_path), str(archive), "--output", str(tmp_path / "out"), *options]
    assert main(arguments) == 2
    assert not (tmp_path / "out").exists()


def test_the_command_shows_what_came_of_it(
    demo_bundle_path: Path, archive: Path, again: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(demo_bundle_path), str(archive), "--output", str(again), "--distributed", "in-process"]
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert "GEOMETRY_GAP" in shown
    assert "skipped, no CT" in shown


def test_a_series_that_no_seg_can_refer_to_has_its_other_results_and_a_row_that_says_so(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw_series(tmp_path / "in" / "a", {"StudyInstanceUID": b"SECRET-IN-A-UID"}, 3)
    write_series(tmp_path / "in" / "b", 4, of_series(1))
    (tmp_path / "in" / "c.nii.gz").write_bytes(nifti(4))
    words = [str(demo_bundle_path), str(tmp_path / "in"), "--distributed", "in-process", "--format", "dicom-seg"]
    assert main([*words, "--format", "nifti", "--output", str(tmp_path / "out"), "--seg-frames", "all"]) == 1
    rows = {row.source: row for row in rows_in(tmp_path / "out")}
    assert {name: (row.status, row.error_code, row.slices) for name, row in rows.items()} == {
        "a": ("failed", "DICOM_SEG", 3), "b": ("done", None, 4), "c.nii.gz": ("failed", "DICOM_SEG", 4),
    }  # fmt: skip
    assert "DICOM_SEG" in capsys.readouterr().out
    for name, row in rows.items():
        folder = tmp_path / "out" / "series" / row.key
        assert row.finding is not None
        assert row.input_sha256 is not None
        assert "SECRET" not in str(row)
        assert (folder / "mask.nii.gz").is_file()
        assert (folder / "mask.dcm").is_file() == (name == "b")
    assert pydicom.dcmread(tmp_path / "out" / "series" / rows["b"].key / "mask.dcm").NumberOfFrames == 4

    assert main([*words, "--output", str(tmp_path / "alone")]) == 1
    rows = {row.source: row for row in rows_in(tmp_path / "alone")}
    assert {name: (row.status, row.error_code, row.slices) for name, row in rows.items()} == {
        "a": ("failed", "DICOM_SEG", 0), "b": ("done", None, 4), "c.nii.gz": ("failed", "DICOM_SEG", 0),
    }  # fmt: skip


def test_slices_of_a_seg_are_part_of_what_a_run_is(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "b", 3, of_series(1))
    told = (demo_bundle_path, tmp_path / "in", tmp_path / "out")
    segment_archive(*told, executor="in-process", formats=("dicom-seg",))
    with pytest.raises(OutputExistsError, match="seg_frames range"):
        segment_archive(*told, executor="in-process", formats=("dicom-seg",), seg_frames="lesion")
    with pytest.raises(UsageError, match="lesion, range, all"):
        segment_archive(*told, executor="in-process", formats=("dicom-seg",), seg_frames="some")  # type: ignore[arg-type]


def test_dicom_seg_and_pictures_of_an_archive(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in" / "a", 3, of_series(1))
    formats = ("dicom-seg", "png")
    segment_archive(demo_bundle_path, tmp_path / "in", tmp_path / "out", executor="in-process", formats=formats)
    (row,) = rows_in(tmp_path / "out")
    folder = tmp_path / "out" / "series" / row.key
    assert pydicom.dcmread(folder / "mask.dcm").Modality == "SEG"
    assert len(list(folder.glob("*.png"))) == 4
    assert capsys.readouterr() == ("", ""), "a worker has no terminal"
