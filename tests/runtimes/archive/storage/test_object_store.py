"""Archives and results in an object store: memory's in this process, and S3's API on this machine, with faults."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

import miniseg_edge
from miniseg_edge.errors import InputError, IntegrityError, NoImagesError, OutputError, OutputExistsError, StorageError
from miniseg_edge.runtimes.archive import ArchiveReport, Crew, segment_archive
from miniseg_edge.runtimes.archive.output_folder import OutputFolder, RunRecord, record_of
from miniseg_edge.runtimes.archive.reconciling import compact
from miniseg_edge.runtimes.archive.source import source_at
from miniseg_edge.runtimes.archive.storage import retrying
from miniseg_edge.runtimes.archive.storage.output import output_at
from miniseg_edge.runtimes.archive.table import rows_in
from miniseg_edge.runtimes.archive.work import Work
from miniseg_edge.runtimes.archive.worker import Worker
from miniseg_edge.runtimes.segment_command import main
from tests.runtimes.archive.archives import SERIES, of_series, results_in, write_archive
from tests.runtimes.archive.found import find_series
from tests.runtimes.archive.storage.faults import FaultyProxy
from tests.runtimes.archive.storage.s3_server import SECRET, environment_of, s3_server
from tests.studies.series import stored_slice, write_series

ROOT = Path(__file__).parents[4]
MANY = 12


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive") / "root")


@pytest.fixture(scope="module")
def in_folder(archive: Path, demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the archive in a folder."""
    output = tmp_path_factory.mktemp("results") / "out"
    segment_archive(demo_bundle_path, archive, output, executor="in-process")
    return output


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A URL for results in this process."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    name = uuid.uuid4().hex
    yield f"memory://{name}"
    if fsspec.filesystem("memory").exists(f"/{name}"):
        fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


def objects_in(url: str) -> dict[str, bytes]:
    """All objects, by their names below the URL."""
    system, root = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    found: dict[str, bytes] = system.cat(system.find(root)) if system.find(root) else {}
    return {name.removeprefix(root).lstrip("/"): data for name, data in found.items()}


def drawn_in(url: str) -> dict[str, bytes]:
    """As `results_in` says."""
    found = objects_in(url).items()
    return {name: data for name, data in found if name.startswith("series/") and not name.endswith("/row.json")}


def results_of(output: Path | str) -> set[tuple[object, ...]]:
    return {row.result for row in rows_in(output)}


def test_results_at_a_url_are_those_of_a_folder(
    in_folder: Path, archive: Path, demo_bundle_path: Path, memory: str, tmp_path: Path
) -> None:
    report = segment_archive(demo_bundle_path, archive, memory, executor="in-process")
    assert report.series == SERIES
    assert results_of(memory) == results_of(in_folder)
    assert drawn_in(memory) == results_in(in_folder)
    tops = {name.partition("/")[0] for name in objects_in(memory)}
    assert tops == {"run.json", "index", "rows", "series"}
    left = [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
    assert [path.name for path in left] == [".lock"]


def test_a_run_at_a_url_resumes(demo_bundle_path: Path, memory: str, tmp_path: Path) -> None:
    for number in range(3):
        write_series(tmp_path / "in" / str(number), 2, of_series(number))
    told = demo_bundle_path, tmp_path / "in", memory
    segment_archive(*told, executor="in-process")
    system = fsspec.filesystem("memory")
    first = objects_in(memory)
    rows = [name for name in first if name.endswith("row.json")]
    system.rm_file(f"{memory}/{rows[0]}")
    system.rm(f"{memory}/rows", recursive=True)
    report = segment_archive(*told, executor="in-process")
    assert (report.earlier, report.slices) == (2, 2)
    second = objects_in(memory)
    assert [name for name in rows if second[name] != first[name]] == rows[:1]
    assert len(rows_in(memory)) == 3
    system.rm(f"{memory}/rows", recursive=True)
    compact(memory)
    assert len(rows_in(memory)) == 3
    with pytest.raises(OutputExistsError, match="belongs to another run"):
        segment_archive(*told, executor="in-process", formats=("json",))


def test_what_lies_at_a_url_is_not_added_to(demo_bundle_path: Path, archive: Path, memory: str) -> None:
    fsspec.filesystem("memory").pipe_file(f"{memory}/another", b"")
    with pytest.raises(OutputExistsError, match="contains other files"):
        segment_archive(demo_bundle_path, archive, memory, executor="in-process")
    assert list(objects_in(memory)) == ["another"]


def test_a_run_whose_temporary_objects_another_one_removes_stops(
    demo_bundle_path: Path, memory: str, tmp_path: Path
) -> None:
    """At any of its steps, instead of segmenting series without some of their files."""
    for number in range(3):
        write_series(tmp_path / "in" / str(number), 2, of_series(number))
    stores = fsspec.filesystem("memory")
    for step in ("finding", "comparing"):

        def clear(what: str, done: int, of: int, at: str = step) -> None:
            if what == at and stores.exists(f"{memory}/.scratch"):
                stores.rm(f"{memory}/.scratch", recursive=True)

        with pytest.raises((IntegrityError, OutputError), match=r"are missing|cannot be used"):
            segment_archive(demo_bundle_path, tmp_path / "in", memory, executor="in-process", progress=clear)
    assert not [name for name in objects_in(memory) if name.startswith("series/")]
    assert segment_archive(demo_bundle_path, tmp_path / "in", memory, executor="in-process").done == 3


def test_the_command_writes_to_urls(
    demo_bundle_path: Path, memory: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in", 2, of_series(1))
    words = [str(demo_bundle_path), str(tmp_path / "in"), "--output", f"{memory}/?token=SECRET"]
    assert main(words) == 2
    assert main([*words, "--distributed", "in-process"]) == 0
    shown = capsys.readouterr()
    assert f"rows in {memory}/rows" in shown.out
    assert "SECRET" not in shown.out + shown.err


def test_credentials_in_a_url_are_not_what_a_run_is(tmp_path: Path) -> None:
    """They are not stored, they may change, and what an earlier version stored is not shown."""

    def record(source: str) -> RunRecord:
        work = Work("b", None, "0" * 64, source, str(tmp_path), None, ("json",), "auto", None, 1)
        return record_of(work, ("native on cpu",))

    url = "https://user:SECRET{}@host/archive?signature=SECRET"
    folder = OutputFolder(output_at(tmp_path))
    folder.agree(record(url.format(1)))
    assert "SECRET" not in (tmp_path / "run.json").read_text()
    folder.agree(record(url.format(2)))
    (tmp_path / "run.json").write_text((tmp_path / "run.json").read_text().replace("https://", "https://user:SECRET@"))
    folder.agree(record(url.format(3)))
    with pytest.raises(OutputExistsError, match="source https://host/archive") as raised:
        folder.agree(record("https://host/other"))
    assert "SECRET" not in str(raised.value)


def test_an_output_within_its_source_is_refused(demo_bundle_path: Path, memory: str) -> None:
    assert main([str(demo_bundle_path), memory, "--output", f"{memory}/out", "--distributed", "in-process"]) == 2


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyProxy]:
    """S3's API behind a proxy, to which this process's fsspec talks."""
    with s3_server() as port, FaultyProxy(port, seed=5).running() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(running.port).items():
            patch.setenv(name, value)
        temporary = str(tmp_path_factory.mktemp("temporary"))
        patch.setenv("TMPDIR", temporary)
        patch.setattr("tempfile.tempdir", temporary)
        patch.setattr(retrying, "FIRST_WAIT_S", 0.01)
        yield running


def in_bucket(folder: Path | None = None) -> str:
    """A new bucket, with what a folder holds."""
    system = fsspec.filesystem("s3", skip_instance_cache=True)
    name = f"bucket-{uuid.uuid4().hex}"
    system.mkdir(name)
    if folder is not None:
        system.put(f"{folder}/", f"{name}/", recursive=True)
    return f"s3://{name}"


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_an_archive_in_a_bucket_comes_out_as_in_a_folder(
    executor: str, proxy: FaultyProxy, in_folder: Path, archive: Path, demo_bundle_path: Path
) -> None:
    """While requests are throttled, and connections break."""
    source, output = in_bucket(archive), in_bucket() + "/results"
    with proxy.with_faults(throttled=0.05, unanswered=0.03, torn=0.05) as seen:
        report = segment_archive(demo_bundle_path, source, output, executor=executor, workers=2)
        assert report.series == SERIES
        assert results_of(output) == results_of(in_folder)
    assert min(seen.values()) > 0
    assert len(seen) == 4
    assert drawn_in(output) == results_in(in_folder)
    assert {row.known_by for row in rows_in(output)} == {"etag"}
    assert not [name for name in objects_in(output) if name.startswith(".scratch")]
    again = segment_archive(demo_bundle_path, source, output, executor="in-process")
    assert (again.earlier, again.slices, again.headers) == (SERIES, 0, 1)
    assert SECRET.encode() not in b"".join(objects_in(output).values())


def segment_command(bundle: Path, source: str, output: str) -> list[str]:
    command = [str(Path(sys.executable).with_name("miniseg-segment")), str(bundle), source]
    return [*command, "--output", output, "--distributed", "processes", "--workers", "2"]


@pytest.mark.slow
def test_a_run_on_buckets_that_is_killed_goes_on(proxy: FaultyProxy, demo_bundle_path: Path, tmp_path: Path) -> None:
    """The driver, as soon as a few series are committed; the next run does the others."""
    for number in range(MANY):
        write_series(tmp_path / "in" / f"{number:02d}", 2 + number % 3, of_series(number))
    output = in_bucket() + "/results"
    command = segment_command(demo_bundle_path, in_bucket(tmp_path / "in"), output)
    with (tmp_path / "log").open("w") as log:
        driver = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        while len(committed(output)) < 2 and driver.poll() is None:
            time.sleep(0.05)
        assert driver.poll() is None, (tmp_path / "log").read_text()
        driver.kill()
        driver.wait()
    seen = committed(output)
    assert len(seen) < MANY, "there is something left to do"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert seen.items() <= committed(output).items(), "a series was done twice"
    rows = rows_in(output)
    assert len({row.key for row in rows}) == len(rows) == MANY
    assert {row.status for row in rows} == {"done"}
    assert SECRET not in done.stdout + done.stderr + (tmp_path / "log").read_text()


def committed(output: str) -> dict[str, str]:
    """When each committed series was done."""
    system, root = fsspec.core.url_to_fs(output, skip_instance_cache=True)
    names = [name for name in system.find(root) if name.endswith("/row.json")]
    rows: list[dict[str, Any]] = [json.loads(system.cat_file(name)) for name in names]
    return {row["key"]: row["created"] for row in rows}


@pytest.mark.slow
def test_an_object_that_changes_after_it_was_found_is_an_error_of_its_series(
    proxy: FaultyProxy, demo_bundle_path: Path, tmp_path: Path
) -> None:
    """It has as many bytes as before. The next run does the series as it is by then."""
    for number in range(2):
        write_series(tmp_path / "in" / str(number), 3, of_series(number))
    source, output = in_bucket(tmp_path / "in"), in_bucket()
    data, pixels = (tmp_path / "in" / "1" / "899").read_bytes(), stored_slice(7).tobytes()

    def change(what: str, done: int, of: int) -> None:
        if what == "comparing":
            system = fsspec.filesystem("s3", skip_instance_cache=True)
            system.pipe_file(f"{source}/1/899", data[: -len(pixels)] + pixels)

    def segmented(**told: Any) -> tuple[ArchiveReport, dict[str, str | None]]:
        report = segment_archive(demo_bundle_path, source, output, executor="in-process", formats=("json",), **told)
        return report, {row.source: row.error for row in rows_in(output)}

    report, errors = segmented(progress=change)
    assert (report.done, dict(report.errors)) == (1, {"INPUT": 1})
    assert errors["0"] is None
    assert "a file changed after it was found" in (errors["1"] or "")
    report, errors = segmented()
    assert (report.earlier, report.done, set(errors.values())) == (1, 2, {None})


@pytest.mark.slow
def test_a_store_that_stays_away_is_a_typed_error(proxy: FaultyProxy, demo_bundle_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "in", 2, of_series(1))
    source, output = in_bucket(tmp_path / "in"), in_bucket()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrying, "TRIES", 2)
        with proxy.with_faults(throttled=1.0):
            with pytest.raises(StorageError, match="2 tries that failed"):
                source_at(source)
            with pytest.raises(OutputError, match=r"does not answer.*2 tries that failed"):
                segment_archive(demo_bundle_path, tmp_path / "in", output, executor="in-process")
    (series,) = find_series(source).series
    opened = source_at(source)
    with pytest.MonkeyPatch.context() as patch, proxy.with_faults(torn=1.0):
        patch.setattr(retrying, "TRIES", 2)
        with pytest.raises(StorageError), opened.fetched(series.files, tmp_path, series.etags, series.bytes):
            pytest.fail("a part of the series")


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_a_typed_error(
    proxy: FaultyProxy, demo_bundle_path: Path, tmp_path: Path
) -> None:
    write_series(tmp_path / "in", 2, of_series(1))
    with pytest.raises(OutputError, match="s3://absent/results cannot be used: FileNotFoundError"):
        segment_archive(demo_bundle_path, tmp_path / "in", "s3://absent/results", executor="in-process")
    with pytest.raises(NoImagesError, match="does not exist"):
        source_at("s3://absent/archive")


@pytest.mark.slow
def test_a_series_costs_as_many_requests_whatever_else_is_there(
    proxy: FaultyProxy, demo_bundle_path: Path, tmp_path: Path
) -> None:
    """As docs/archive.md says: 2, one for each result, and two for each file."""
    for number in range(3):
        write_series(tmp_path / "in" / str(number), 4, of_series(number))
    source = in_bucket(tmp_path / "in")
    digest = miniseg_edge.open_bundle(demo_bundle_path).manifest.digest
    work = Work(str(demo_bundle_path), None, digest, source, f"{in_bucket()}/results", tmp_path / "scratch",
                ("nifti", "json"), "auto", None, 1)  # fmt: skip
    worker, costs = Worker(work, Crew(1)), list[int]()
    for series in find_series(source).series:
        with proxy.with_faults() as seen:
            assert worker.process(series).status == "done"
            costs.append(seen.total())
    worker.close()
    assert costs[1:] == [2 + 2 + 2 * 4] * 2


@pytest.mark.slow
def test_what_was_fetched_is_what_was_found(proxy: FaultyProxy, tmp_path: Path) -> None:
    write_series(tmp_path / "in", 2, of_series(1))
    source = in_bucket(tmp_path / "in")
    (series,) = find_series(source).series
    opened = source_at(source)
    with opened.fetched(series.files, tmp_path / "s", series.etags, series.bytes) as copies:
        assert [path.read_bytes() for path in copies] == [(tmp_path / "in" / n).read_bytes() for n in series.files]
    refused = opened.fetched(series.files, tmp_path / "s", size=series.bytes + 1)
    with pytest.raises(InputError, match="changed after it was found"), refused:
        pytest.fail("other bytes")


@pytest.mark.slow
def test_without_credentials_it_is_an_error_that_says_so(
    proxy: FaultyProxy, demo_bundle_path: Path, tmp_path: Path
) -> None:
    write_series(tmp_path / "in", 2, of_series(1))
    output = in_bucket()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_ACCESS")}
    del environment["AWS_SECRET_ACCESS_KEY"]
    for source, to in ((str(tmp_path / "in"), output), (output, str(tmp_path / "out"))):
        command = segment_command(demo_bundle_path, source, to)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 1
        assert "NoCredentialsError" in done.stderr
        assert "Traceback" not in done.stderr
