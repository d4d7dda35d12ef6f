"""The work of every worker, wherever it runs: one series -> results, committed -> row."""

import os
import posixpath
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.errors import (
    DeviceLostError,
    DicomSegError,
    IntegrityError,
    MiniSegError,
    NoImagesError,
    OutputError,
    RescaleError,
    WorkerDiedError,
    WrongModalityError,
)
from miniseg_edge.printable import printable
from miniseg_edge.runtimes.archive.content import content_sha256
from miniseg_edge.runtimes.archive.output_folder import OutputFolder
from miniseg_edge.runtimes.archive.row import DONE, FAILED, SKIPPED, Row
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.source import Source, source_at
from miniseg_edge.runtimes.archive.storage.output import output_at
from miniseg_edge.runtimes.archive.table import LooseRows
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.study.failure import failure_of
from miniseg_edge.runtimes.study.outputs import outputs_of, write_results
from miniseg_edge.runtimes.study.segment_study import segmented_study
from miniseg_edge.runtimes.study.segmented import SegmentedStudy
from miniseg_edge.studies.dicom.series import study_from_dicom_files
from miniseg_edge.studies.dicom.volumes import Reading
from miniseg_edge.studies.nifti.names import is_nifti_name
from miniseg_edge.studies.nifti.study import study_from_nifti
from miniseg_edge.studies.source_files import DiskFile
from miniseg_edge.studies.study import Study

ATTEMPTS = 3
"""Processes that may die of a series in one run before it is given up."""

_NOTHING_TO_SEGMENT = (WrongModalityError, NoImagesError)


class Worker:
    """Keeps a Segmenter open from its first series on. Not thread-safe; a process has one."""

    def __init__(self, work: Work, crew: Crew) -> None:
        self._work, self._crew = work, crew
        output = output_at(work.output)
        self._journal, self._scratch = OutputFolder(output), work.scratch or output.scratch()
        self._name = printable(f"{socket.gethostname()}-{os.getpid()}")
        self._rows = LooseRows(output)
        self._opened: tuple[Segmenter, Source] | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """In another process it is another worker."""
        return Worker, (self._work, self._crew)

    def __call__(self, message: "Series | GivenUp") -> Row:
        """The row of a series. Raises: as `process`."""
        if isinstance(message, GivenUp):
            return self._committed(message.series, self._abandoned)
        return self.process(message)

    def process(self, series: Series) -> Row:
        """Segments a series, writes its results, and commits its row, which records any error of the series.

        Raises:
            OutputError: results cannot be written, which is not the series' fault. BundleError and its subclasses,
                RuntimeUnavailableError, InferenceError: the Segmenter cannot be opened.
            DeviceLostError: this process cannot use its GPU again; another one must take the series.
        """
        return self._committed(series, self._processed)

    def leave(self) -> None:
        """Writes the rows that are not in the table yet; any thread may call it. Raises: OutputError."""
        self._rows.flush()

    def close(self) -> None:
        """Releases the engine, and leaves."""
        self.leave()
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None

    def _committed(self, series: Series, made: Callable[[Series], Row]) -> Row:
        done = self._journal.row(series.key)
        if done is not None and done.is_of(series):  # a worker that died later had committed it
            self._rows.add(done)
            return done
        if done is not None:
            self._journal.forget(series.key)  # before its results are replaced
        row = made(series)
        self._journal.commit(row)
        self._rows.add(row)
        return row

    def _abandoned(self, series: Series) -> Row:
        died = WorkerDiedError(
            "this series crashed its workers", expected="a worker that survives", got=f"{ATTEMPTS} that did not"
        )
        source = source_at(self._work.source, follow_links=self._work.follow_links)
        content = content_sha256(partial(source.opened, name) for name in series.files)
        return self._row(series, FAILED, _Clock(), content, error=died)

    def _ready(self) -> tuple[Segmenter, Source]:
        if self._opened is None:
            work, crew = self._work, self._crew
            bundle = open_bundle(work.bundle, trust=work.trust)
            if bundle.manifest.digest != work.bundle_digest:
                raise IntegrityError(
                    "the bundle differs on this machine", expected=work.bundle_digest, got=bundle.manifest.digest
                )
            source = source_at(work.source, follow_links=work.follow_links)
            segmenter = load(bundle, crew.runtime, crew.device, work.threads, streams=1, precision=work.precision)
            self._opened = segmenter, source
        return self._opened

    def _processed(self, series: Series) -> Row:
        segmenter, source = self._ready()
        clock, content, bounds = _Clock(), None, self._work.bounds
        try:
            bounds.check_found(series)
            with source.fetched(series.files, self._scratch, series.etags, series.bytes) as paths:
                # Before anything else reads them: if they change now, a later run finds different content.
                content = content_sha256([DiskFile(path).open for path in paths])
                clock.ends("fetch_s")
                study = self._study(series, paths)
                bounds.check_opened(study)
                outputs = outputs_of(study, self._work.formats, self._work.seg_frames)
                clock.ends("open_s")
                found = segmented_study(study, segmenter, lambda done, of: None, assume_hu=self._work.assume_hu)
                clock.ends("segment_s")
                no_seg = None
                with self._journal.results(series.key, self._scratch) as folder:
                    try:
                        write_results(found, segmenter, folder, outputs, shown=False)
                    except DicomSegError as error:
                        no_seg = error
                clock.ends("write_s")
        except (OutputError, DeviceLostError):
            raise
        except _NOTHING_TO_SEGMENT as error:
            return self._row(series, SKIPPED, clock, content, error=error)
        except Exception as error:  # one bad series never stops the run
            return self._row(series, FAILED, clock, content, error=failure_of(error))
        return self._row(series, DONE if no_seg is None else FAILED, clock, content, found=found, error=no_seg)

    def _study(self, series: Series, paths: Sequence[Path]) -> Study:
        files = [_Fetched(path, posixpath.basename(name)) for path, name in zip(paths, series.files, strict=True)]
        if is_nifti_name(series.files[0]):
            self._work.bounds.check_nifti(files[0])
            return study_from_nifti(files[0], None)
        try:
            return study_from_dicom_files(files, series.where, Reading())
        except RescaleError:
            if self._work.rescale is None:
                raise
        return study_from_dicom_files(files, series.where, Reading(rescale=self._work.rescale))

    def _row(
        self,
        series: Series,
        status: str,
        clock: "_Clock",
        content: str | None,
        *,
        found: SegmentedStudy | None = None,
        error: MiniSegError | None = None,
    ) -> Row:
        findings = None if found is None else found.findings
        ran = None if findings is None else findings.ran
        return Row(
            key=series.key,
            source=printable(series.where),
            files=len(series.files),
            bytes=series.bytes,
            stamp=series.stamp,
            known_by=series.known_by,
            content_sha256=content,
            status=status,
            slices=0 if findings is None else findings.slices,
            finding=None if findings is None else findings.finding,
            lesion_volume_ml=None if findings is None else findings.lesion_volume_ml,
            lesions=None if findings is None else findings.lesions,
            slices_with_findings=None if findings is None else len(findings.slices_with_findings),
            remarks=None if ran is None else printable("; ".join(ran.remarks)),
            error_code=None if error is None else error.code,
            error=None if error is None else str(error),
            bundle_digest=self._work.bundle_digest,
            runtime=None if ran is None else ran.runtime,
            device=None if ran is None else ran.device,
            precision=None if ran is None else ran.precision,
            input_sha256=None if ran is None else ran.input_sha256,
            fetch_s=clock.parts.get("fetch_s", 0.0),
            open_s=clock.parts.get("open_s", 0.0),
            segment_s=clock.parts.get("segment_s", 0.0),
            write_s=clock.parts.get("write_s", 0.0),
            seconds=time.perf_counter() - clock.start,
            worker=self._name,
            created=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        )


@dataclass(frozen=True)
class GivenUp:
    """A series that no process survived: what is left to make is its row."""

    series: Series


def after_deaths(message: Series | GivenUp, deaths: int) -> Series | GivenUp:
    """What to ask the next process, once so many have died of a message. Raises: WorkerDiedError."""
    if deaths < ATTEMPTS:
        return message
    if isinstance(message, GivenUp):
        raise WorkerDiedError(
            "the workers keep dying", expected="one that survives", got=f"{deaths} that did not, without segmenting"
        )
    return GivenUp(message)


@dataclass(frozen=True)
class _Fetched(DiskFile):
    """A file, perhaps a copy, by the name that it has in the archive."""

    in_archive: str

    @property
    def name(self) -> str:
        """As `SourceFile` says."""
        return self.in_archive


class _Clock:
    """The duration of each part of the work, in seconds."""

    def __init__(self) -> None:
        self.start = self._last = time.perf_counter()
        self.parts: dict[str, float] = {}

    def ends(self, part: str) -> None:
        """Ends the current part, which started when the previous one ended."""
        now_s = time.perf_counter()
        self.parts[part], self._last = now_s - self._last, now_s
