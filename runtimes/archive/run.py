"""The driver: finds the series, has the workers process them, maintains the table."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import NoImagesError, UsageError, WorkerDiedError
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.processor import usable_cores
from miniseg_edge.runtimes.archive import executors
from miniseg_edge.runtimes.archive.content import content_sha256
from miniseg_edge.runtimes.archive.on_ray import on_ray
from miniseg_edge.runtimes.archive.output_folder import SCRATCH, OutputFolder, record_of
from miniseg_edge.runtimes.archive.ray_session import RaySetting
from miniseg_edge.runtimes.archive.row import FAILED, Row
from miniseg_edge.runtimes.archive.series import READERS, Series, find_series
from miniseg_edge.runtimes.archive.source import Source, is_url, source_at
from miniseg_edge.runtimes.archive.table import Table
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.backends.registry import AUTO, choose
from miniseg_edge.runtimes.study.formats import FORMATS, JSON, NIFTI, with_brought
from miniseg_edge.studies.dicom.frames import Rescale
from miniseg_edge.studies.seg.dicom_seg import SegFrames, check_seg_frames

SERIAL, PROCESSES, RAY = EXECUTORS = ("serial", "processes", "ray")
MAX_DEATHS_IN_A_ROW = 5

Progress = Callable[[str, int, int], None]
"""Called with the phase ("finding", "comparing" or "segmenting"), the number done, and the total."""


@dataclass(frozen=True)
class ArchiveReport:
    """What a run came to.

    Attributes:
        series: found in the archive.
        earlier: number of them done by earlier runs and kept.
        done, failed, skipped: rows now in the output folder, of series in the archive.
        errors: (code, series) of the failed ones.
        slices: segmented by this run.
        other_files: files that belong to no series.
        links_out: links out of the archive that were not followed; files among them count in their own place.
        find_s, segment_s: durations of this run, in seconds.
    """

    series: int
    earlier: int
    done: int
    failed: int
    skipped: int
    errors: tuple[tuple[str, int], ...]
    slices: int
    other_files: int
    links_out: int
    find_s: float
    segment_s: float


def segment_archive(
    bundle: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    executor: str = "processes",
    workers: int | None = None,
    crews: Sequence[Crew] | None = None,
    formats: Sequence[str] = (NIFTI, JSON),
    seg_frames: SegFrames = "range",
    runtime: str = AUTO,
    device: str = AUTO,
    precision: str = AUTO,
    threads: int = 1,
    rescale: Rescale | None = None,
    assume_hu: bool = False,
    trust: str | Path | None = None,
    scratch: str | Path | None = None,
    ray: RaySetting | None = None,
    retry_failed: bool = False,
    follow_links: bool = False,
    progress: Progress = lambda what, done, of: None,
) -> ArchiveReport:
    """Segments every series of an archive; resumes where an earlier run on the same output folder stopped.

    Each series gets a folder `series/<key>` with its results, and a row in the Parquet files in `rows`
    (`archive.table.rows_in` reads them). A series that fails becomes a row with an error code and does not stop the
    run.

    Args:
        bundle: directory.
        source: folder or file, or an fsspec URL.
        output: folder; with several machines, one that all reach by the same path.
        executor: "serial", "processes", or "ray": results are the same, bit for bit, except for new UIDs in DICOM SEG.
        workers: each with one series at a time; by default one per core.
        crews: instead of `workers`, `runtime` and `device`: workers of several kinds at the same time.
        formats: of results, as in `miniseg-segment --format`.
        seg_frames: as in `dicom_seg_from_mask`.
        runtime, device, precision: as in `load`; "auto" is resolved here, for all workers.
        threads: of each worker's engine.
        rescale: slope and intercept if DICOM headers lack them.
        assume_hu: accept values that do not look like HU; the row's remarks say so. By default such a series fails.
        trust: public key with which the bundle must be signed.
        scratch: folder for copies of remote files; by default in the output folder.
        ray: where Ray runs and stores its files.
        retry_failed: repeat series that failed in an earlier run.
        follow_links: read files behind links that lead out of the archive. By default such a file is unreadable, and
            its series fails.
        progress: see `Progress`.

    Raises:
        UsageError: invalid arguments, or a bundle without a window.
        InputError: the source cannot be opened. NoImagesError: it contains no series.
        OutputExistsError: the folder contains something else's output. OutputError: it cannot be written, or is in use.
            BundleError and its subclasses, RuntimeUnavailableError, InferenceError: no Segmenter can be opened.
        WorkerDiedError: the workers keep dying.
        MissingDependencyError: the extras `scale` and `dicom` are not installed.
    """
    chosen = _crews(crews, 1 if workers is None and executor == SERIAL else workers, runtime, device)
    output = Path(output).absolute()
    _check(executor, chosen, str(source), output, formats)
    check_seg_frames(seg_frames)
    opened = open_bundle(bundle, trust=trust)
    if opened.manifest.preprocessing.window is None:
        raise UsageError(
            "this bundle does not accept HU",
            expected="one with a window",
            got="none",
            remedy="Export again with --window LOW HIGH.",
        )
    work = Work(
        bundle=str(Path(bundle).absolute()),
        trust=None if trust is None else str(Path(trust).absolute()),
        bundle_digest=opened.manifest.digest,
        source=str(source) if is_url(str(source)) else str(Path(source).absolute()),
        output=output,
        scratch=output / SCRATCH if scratch is None else Path(scratch).absolute(),
        formats=with_brought(formats),
        precision=precision,
        rescale=rescale,
        assume_hu=assume_hu,
        threads=threads,
        run=uuid.uuid4().hex[:12],
        seg_frames=seg_frames,
        follow_links=follow_links,
    )
    chosen = tuple(_decided(crew, opened, precision) for crew in chosen)
    folder = OutputFolder(output)
    start = time.perf_counter()
    opened_source = source_at(work.source, follow_links=follow_links)
    with folder.locked():
        folder.agree(record_of(work, tuple(sorted({f"{crew.runtime} on {crew.device}" for crew in chosen}))))
        folder.clear_scratch()
        found = find_series(opened_source, lambda done, of: progress("finding", done, of))
        find_s = time.perf_counter() - start
        if not found.series:
            raise NoImagesError(
                "the archive contains no series", expected="DICOM or NIfTI", got=f"{found.other_files} other files"
            )
        rows = folder.rows()
        to_do = _to_do(found.series, rows, folder, opened_source, retry_failed=retry_failed, progress=progress)
        table = Table(output, rows.values())
        start = time.perf_counter()
        try:
            with closing(_lives(_rows(executor, work, chosen, to_do, ray))) as coming:
                for index, row in enumerate(coming):
                    table.add(row)
                    rows[row.key] = row
                    progress("segmenting", index + 1, len(to_do))
        finally:
            table.flush()
            folder.clear_scratch()
    present = [rows[one.key] for one in found.series]
    statuses = Counter(row.status for row in present)
    codes = Counter(row.error_code or "" for row in present if row.status == FAILED)
    return ArchiveReport(
        series=len(found.series),
        earlier=len(found.series) - len(to_do),
        done=statuses["done"],
        failed=statuses[FAILED],
        skipped=statuses["skipped"],
        errors=tuple(codes.most_common()),
        slices=sum(rows[one.key].slices for one in to_do),
        other_files=found.other_files,
        links_out=found.links_out,
        find_s=find_s,
        segment_s=time.perf_counter() - start,
    )


def _crews(crews: Sequence[Crew] | None, workers: int | None, runtime: str, device: str) -> tuple[Crew, ...]:
    if crews is None:
        return (Crew(usable_cores() if workers is None else workers, runtime, device),)
    if not crews or workers is not None or (runtime, device) != (AUTO, AUTO):
        raise UsageError(
            "crews already set workers, runtime and device",
            expected="crews, or workers, runtime and device",
            got="both, or no crew",
        )
    return tuple(crews)


def _check(executor: str, crews: Sequence[Crew], source: str, output: Path, formats: Sequence[str]) -> None:
    if executor not in EXECUTORS:
        raise UsageError("the executor is unknown", expected=", ".join(EXECUTORS), got=executor)
    if executor == SERIAL and (len(crews), crews[0].workers) != (1, 1):
        raise UsageError(
            "a serial run has one worker", expected="workers=1", got=f"{sum(crew.workers for crew in crews)}"
        )
    if unknown := [name for name in formats if name not in FORMATS]:
        raise UsageError("the format is unknown", expected=", ".join(FORMATS), got=", ".join(unknown))
    if not is_url(source) and output.resolve().is_relative_to(Path(source).resolve()):
        raise UsageError(
            "the output folder is inside the archive",
            expected="another --output",
            got="a folder that would be searched for series",
        )
    check_installed(("pyarrow", "fsspec", *(("ray",) if executor == RAY else ())), "scale")
    check_installed(("pydicom", "nibabel", "highdicom"), "dicom")


def _decided(crew: Crew, bundle: Bundle, precision: str) -> Crew:
    """Resolves "auto" once for all workers; Ray's GPUs may be on machines that we cannot inspect."""
    if crew.gpus:
        return crew
    choice = choose(bundle, crew.runtime, crew.device, precision)
    return replace(crew, runtime=choice.entry.name, device=choice.device)


def _to_do(
    series: Sequence[Series],
    rows: dict[str, Row],
    folder: OutputFolder,
    source: Source,
    *,
    retry_failed: bool,
    progress: Progress,
) -> list[Series]:
    """The remaining series; rows of series to repeat are dropped, and rows of moved series are updated."""
    known = [one for one in series if one.key in rows and not (retry_failed and rows[one.key].status == FAILED)]
    doubtful = [one for one in known if not rows[one.key].is_surely_of(one)]
    kept = {one.key for one in known} - {one.key for one in doubtful}
    with ThreadPoolExecutor(READERS, thread_name_prefix="miniseg-compare") as readers:
        same = readers.map(lambda one: _has_content(one, rows[one.key], source), doubtful)
        for index, (one, is_same) in enumerate(zip(doubtful, same, strict=True)):
            if is_same:
                kept.add(one.key)
                row, rows[one.key] = rows[one.key], rows[one.key].moved_to(one)
                if rows[one.key] != row:
                    folder.commit(rows[one.key])
            progress("comparing", index + 1, len(doubtful))
    left = [one for one in series if one.key not in kept]
    for one in left:
        if rows.pop(one.key, None) is not None:
            folder.forget(one.key)
    return left


def _has_content(series: Series, row: Row, source: Source) -> bool:
    """Whether the series still has the bytes from which its row was made; reads all of them if the size is the same."""
    if row.content_sha256 is None or (row.files, row.bytes) != (len(series.files), series.bytes):
        return False
    return content_sha256(partial(source.opened, name) for name in series.files) == row.content_sha256


def _rows(
    executor: str, work: Work, crews: Sequence[Crew], series: Sequence[Series], ray: RaySetting | None
) -> Iterator[Row]:
    if not series:
        return iter(())
    if executor == RAY:
        return on_ray(work, crews, series, ray or RaySetting())
    return {SERIAL: executors.serial, PROCESSES: executors.processes}[executor](work, crews, series)


def _lives(rows: Iterator[Row]) -> Generator[Row, None, None]:
    """The rows, until workers die too often in a row. Raises: WorkerDiedError."""
    deaths = 0
    for row in rows:
        deaths = deaths + 1 if row.error_code == WorkerDiedError.code else 0
        yield row
        if deaths == MAX_DEATHS_IN_A_ROW:
            raise WorkerDiedError(
                "the workers keep dying",
                expected="workers that survive",
                got=f"{deaths} series in a row that none survived",
                remedy="Use fewer workers to need less memory. --retry-failed repeats these series.",
            )
