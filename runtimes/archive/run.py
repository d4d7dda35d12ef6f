"""The driver: has the series found, has the workers make their results, and counts. What grows is on the disk."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import NoImagesError, UsageError, WorkerDiedError
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.processor import usable_cores
from miniseg_edge.runtimes.archive.bounds import Bounds
from miniseg_edge.runtimes.archive.engines.engine import EXECUTORS, IN_PROCESS, RAY, Engine
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting
from miniseg_edge.runtimes.archive.finding.find import find
from miniseg_edge.runtimes.archive.finding.where import check_where
from miniseg_edge.runtimes.archive.output_folder import OutputFolder, record_of
from miniseg_edge.runtimes.archive.reconciling import BEGIN, END, Reconciled, Reconciler, Sums, When, remove_loose
from miniseg_edge.runtimes.archive.row import DONE, FAILED, SKIPPED, Row
from miniseg_edge.runtimes.archive.source import source_at
from miniseg_edge.runtimes.archive.storage.complete import check_complete
from miniseg_edge.runtimes.archive.storage.output import Output, output_at
from miniseg_edge.runtimes.archive.storage.urls import is_url, shown_url
from miniseg_edge.runtimes.archive.table import DIGITS
from miniseg_edge.runtimes.archive.to_do import ToDo
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.backends.registry import AUTO, choose
from miniseg_edge.runtimes.segmenter.window import check_window
from miniseg_edge.runtimes.study.formats import FORMATS, JSON, NIFTI, with_brought
from miniseg_edge.studies.dicom.frames import Rescale
from miniseg_edge.studies.seg.dicom_seg import SegFrames, check_seg_frames

MAX_DEATHS_IN_A_ROW = 5

Progress = Callable[[str, int, int], None]
"""Called with the phase ("finding", "comparing" or "segmenting"), the number done, and the total."""


@dataclass(frozen=True)
class ArchiveReport:
    """What a run came to.

    Attributes:
        series: found in the archive, but for those that `where` leaves out.
        left_out: by `where`.
        earlier: of those, done by earlier runs, and left as they were.
        done, failed, skipped: rows in the output folder now, of series that the archive holds.
        errors: (code, series) of those that failed.
        slices: segmented by this run.
        files: of the archive.
        headers: of them that were read in this run; of the others an earlier run knew all.
        other_files: that belong to no series.
        links_out: links out of the archive, which are not followed: files among them count where they lie.
        find_s, segment_s: what this run took, in seconds.
    """

    series: int
    left_out: int
    earlier: int
    done: int
    failed: int
    skipped: int
    errors: tuple[tuple[str, int], ...]
    slices: int
    files: int
    headers: int
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
    where: str | None = None,
    bounds: Bounds | None = None,
    seen: Callable[[Row], None] = lambda row: None,
    progress: Progress = lambda what, done, of: None,
) -> ArchiveReport:
    """Segments every series of an archive; resumes where an earlier run on the same output folder stopped.

    Each series gets a folder `series/<key>` with its results, and a row in the Parquet files in `rows`
    (`archive.table.rows_in` reads them). A series that fails becomes a row with an error code and does not stop the
    run.

    Args:
        bundle: directory.
        source: folder or file, or an fsspec URL.
        output: folder, or an fsspec URL of an object store; with several machines, what all reach by the same path or
            URL.
        executor: "in-process", "processes", or "ray": results are the same, bit for bit,
            except for new UIDs in DICOM SEG.
        workers: each with one series at a time; by default one per core.
        crews: instead of `workers`, `runtime` and `device`: workers of several kinds at the same time.
        formats: of results, as in `miniseg-segment --format`.
        seg_frames: as in `dicom_seg_from_mask`.
        runtime, device, precision: as in `load`; "auto" is resolved here, for all workers.
        threads: of each worker's engine.
        rescale: slope and intercept if DICOM headers lack them.
        assume_hu: accept values that do not look like HU; the row's remarks say so. By default such a series fails.
        trust: public key with which the bundle must be signed.
        scratch: folder for copies of remote files; by default in the output folder, or, of a URL, a temporary one.
        ray: where Ray runs and stores its files.
        retry_failed: repeat series that failed in an earlier run.
        follow_links: read files behind links that lead out of the archive. By default such a file is unreadable, and
            its series fails.
        where: condition in SQL that series must fulfil, about the columns that docs/archive.md names.
        bounds: of a series; a larger one fails before it is fetched. Another run may have others.
        seen: called with each row that this run makes, as it comes.
        progress: see `Progress`.

    Raises:
        UsageError: invalid arguments, or a bundle without a window.
        InputError: the source cannot be opened; StorageError: it does not answer. NoImagesError: it contains no series.
        OutputExistsError: the folder contains something else's output. OutputError: it cannot be written, or is in use.
            BundleError and its subclasses, RuntimeUnavailableError, InferenceError: no Segmenter can be opened.
        WorkerDiedError: the workers keep dying.
        MissingDependencyError: the extras `scale` and `dicom` are not installed.
    """
    chosen = _crews(crews, 1 if workers is None and executor == IN_PROCESS else workers, runtime, device)
    place = output_at(output)
    _check(executor, chosen, str(source), place, formats)
    check_seg_frames(seg_frames)
    if where is not None:
        check_where(where)
    opened = open_bundle(bundle, trust=trust)
    check_window(opened)
    work = Work(
        bundle=str(Path(bundle).absolute()),
        trust=None if trust is None else str(Path(trust).absolute()),
        bundle_digest=opened.manifest.digest,
        source=str(source) if is_url(str(source)) else str(Path(source).absolute()),
        output=str(place.folder or output),
        scratch=None if scratch is None else Path(scratch).absolute(),
        formats=with_brought(formats),
        precision=precision,
        rescale=rescale,
        assume_hu=assume_hu,
        threads=threads,
        seg_frames=seg_frames,
        follow_links=follow_links,
        bounds=bounds or Bounds(),
    )
    chosen = tuple(_decided(crew, opened, precision) for crew in chosen)
    folder = OutputFolder(place)
    source_at(work.source, follow_links=follow_links)
    with folder.locked(), Engine(executor, chosen, ray) as engine:
        folder.agree(record_of(work, tuple(sorted({f"{crew.runtime} on {crew.device}" for crew in chosen}))))
        folder.clear_scratch()
        try:
            return _report(work, engine, progress, seen, where=where, retry_failed=retry_failed)
        finally:
            folder.clear_scratch()


def _report(
    work: Work,
    engine: Engine,
    progress: Progress,
    seen: Callable[[Row], None],
    *,
    where: str | None,
    retry_failed: bool,
) -> ArchiveReport:
    """Finds, segments what is left, and counts."""
    output, start = output_at(work.output), time.perf_counter()
    found = find(
        work.source,
        output,
        engine.answers,
        lambda done, of: progress("finding", done, of),
        follow_links=work.follow_links,
    )
    find_s = time.perf_counter() - start
    if not found.series:
        raise NoImagesError(
            "the archive contains no series", expected="DICOM or NIfTI", got=f"{found.other_files} other files"
        )
    reconciler = Reconciler(work, where, retry_failed)
    begun = _reconciled(engine, reconciler, BEGIN, DIGITS, progress)
    looked_at = sum(digit.left + digit.left_out + digit.sums.statuses.total() for digit in begun)
    check_complete("series of the index", found.series, looked_at)
    remove_loose(output)
    to_do = ToDo(output, work.scratch or output.scratch(), sum(digit.left for digit in begun))
    start = time.perf_counter()
    with closing(_lives(engine.rows(work, to_do))) as coming:
        for index, row in enumerate(coming):
            seen(row)
            progress("segmenting", index + 1, len(to_do))
    ended = _reconciled(engine, reconciler, END, [one.digit for one in begun if one.left], progress)
    remove_loose(output)
    kept, made = (sum((digit.sums for digit in digits), Sums()) for digits in (begun, ended))
    sums = kept + made
    return ArchiveReport(
        series=kept.statuses.total() + len(to_do),
        left_out=sum(digit.left_out for digit in begun),
        earlier=kept.statuses.total(),
        done=sums.statuses[DONE],
        failed=sums.statuses[FAILED],
        skipped=sums.statuses[SKIPPED],
        errors=tuple(sums.codes.most_common()),
        slices=made.slices,
        files=found.files,
        headers=found.read,
        other_files=found.other_files,
        links_out=found.links_out,
        find_s=find_s,
        segment_s=time.perf_counter() - start,
    )


def _reconciled(
    engine: Engine, reconciler: Reconciler, when: When, digits: Sequence[str], progress: Progress
) -> list[Reconciled]:
    answers, found = engine.answers(reconciler, [(when, digit) for digit in digits]), list[Reconciled]()
    for answer in answers:
        found.append(answer)
        progress("comparing", len(found), len(digits))
    return found


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


def _check(executor: str, crews: Sequence[Crew], source: str, output: Output, formats: Sequence[str]) -> None:
    if executor not in EXECUTORS:
        raise UsageError("the executor is unknown", expected=", ".join(EXECUTORS), got=executor)
    if executor == IN_PROCESS and (len(crews), crews[0].workers) != (1, 1):
        raise UsageError(
            "a run in this process has one worker", expected="workers=1", got=f"{sum(crew.workers for crew in crews)}"
        )
    if unknown := [name for name in formats if name not in FORMATS]:
        raise UsageError("the format is unknown", expected=", ".join(FORMATS), got=", ".join(unknown))
    if _is_inside(output, source):
        raise UsageError(
            "the output folder is inside the archive",
            expected="another --output",
            got="a folder that would be searched for series",
        )
    check_installed(("pyarrow", "fsspec", *(("ray",) if executor == RAY else ())), "scale")
    check_installed(("pydicom", "nibabel", "highdicom"), "dicom")


def _is_inside(output: Output, source: str) -> bool:
    if output.folder is not None:
        return not is_url(source) and output.folder.resolve().is_relative_to(Path(source).resolve())
    return is_url(source) and f"{output.label()}/".startswith(f"{shown_url(source).rstrip('/')}/")


def _decided(crew: Crew, bundle: Bundle, precision: str) -> Crew:
    """Resolves "auto" once for all workers; Ray's GPUs may be on machines that we cannot inspect."""
    if crew.gpus:
        return crew
    choice = choose(bundle, crew.runtime, crew.device, precision)
    return replace(crew, runtime=choice.entry.name, device=choice.device)


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
