"""What every worker does, wherever it runs: one series -> results, committed -> row."""

import os
import socket
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from miniseg_edge.bundle import open_bundle
from miniseg_edge.errors import (
    DeviceLostError,
    InputError,
    IntegrityError,
    MiniSegError,
    NoImagesError,
    OutputError,
    WorkerDiedError,
    WrongModalityError,
)
from miniseg_edge.limits import limit_behind
from miniseg_edge.runtimes.archive.journal import Journal
from miniseg_edge.runtimes.archive.row import DONE, FAILED, SKIPPED, Row
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.source import Source, source_at
from miniseg_edge.runtimes.archive.work import Crew, Work
from miniseg_edge.runtimes.segment_study import SegmentedStudy, segmented_study, write_results
from miniseg_edge.runtimes.segmenter import Segmenter, load
from miniseg_edge.studies.dicom_series import study_from_dicom_files
from miniseg_edge.studies.nifti import SUFFIXES, study_from_nifti
from miniseg_edge.studies.study import Study

ATTEMPTS = 3
"""Workers that may die of a series in one run before it is given up."""

_NOTHING_TO_SEGMENT = (WrongModalityError, NoImagesError)


class Worker:
    """Holds an opened Segmenter from its first series on. Thread-safety: none; a process has one."""

    def __init__(self, work: Work, crew: Crew) -> None:
        self._work, self._crew = work, crew
        self._journal = Journal(work.output)
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._opened: tuple[Segmenter, Source] | None = None

    def process(self, series: Series) -> Row:
        """Segments a series, writes its results, and commits its row; whatever is wrong with it is in the row.

        Raises:
            OutputError: results cannot be written: no series' fault.
            BundleError and its kin, RuntimeUnavailableError, InferenceError: the Segmenter cannot be opened.
            DeviceLostError: this process cannot use its GPU again; the series is for another.
        """
        done = self._journal.row(series.key)
        if done is not None and done.is_of(series):  # a worker that died later had committed it
            return done
        attempt = self._journal.begin(series.key, self._work.run)
        if attempt > ATTEMPTS:
            died = WorkerDiedError("workers died of this series", "one that lives", f"{ATTEMPTS} that did not")
            row = self._row(series, FAILED, _Clock(), error=died)
        else:
            row = self._processed(series, *self._ready())
        self._journal.commit(row)
        return row

    def close(self) -> None:
        """Releases the engine."""
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None

    def _ready(self) -> tuple[Segmenter, Source]:
        if self._opened is None:
            work, crew = self._work, self._crew
            bundle = open_bundle(work.bundle, trust=work.trust)
            if bundle.manifest.digest != work.bundle_digest:
                raise IntegrityError("the bundle is another one here", work.bundle_digest, bundle.manifest.digest)
            source = source_at(work.source)
            segmenter = load(bundle, crew.runtime, crew.device, work.threads, streams=1, precision=work.precision)
            self._opened = segmenter, source
        return self._opened

    def _processed(self, series: Series, segmenter: Segmenter, source: Source) -> Row:
        clock = _Clock()
        try:
            with source.fetched(series.files, self._work.scratch) as paths:
                clock.ends("fetch_s")
                study = self._study(series, paths)
                clock.ends("open_s")
                found = segmented_study(study, segmenter, lambda done, of: None)
                clock.ends("segment_s")
                folder = self._journal.folder(series.key)
                write_results(found, segmenter, folder, self._work.formats, shown=False)
                clock.ends("write_s")
        except (OutputError, DeviceLostError):
            raise
        except _NOTHING_TO_SEGMENT as error:
            return self._row(series, SKIPPED, clock, error=error)
        except Exception as error:  # one bad series never stops the run
            return self._row(series, FAILED, clock, error=_typed(error))
        return self._row(series, DONE, clock, found=found)

    def _study(self, series: Series, paths: Sequence[Path]) -> Study:
        if series.files[0].lower().endswith(SUFFIXES):
            return study_from_nifti(paths[0], None)
        return study_from_dicom_files(paths, series.where, self._work.rescale)

    def _row(
        self,
        series: Series,
        status: str,
        clock: "_Clock",
        *,
        found: SegmentedStudy | None = None,
        error: MiniSegError | None = None,
    ) -> Row:
        findings = None if found is None else found.findings
        ran = None if findings is None else findings.ran
        return Row(
            key=series.key,
            source=series.where,
            files=len(series.files),
            bytes=series.bytes,
            status=status,
            slices=0 if findings is None else findings.slices,
            finding=None if findings is None else findings.finding,
            lesion_volume_ml=None if findings is None else findings.lesion_volume_ml,
            lesions=None if findings is None else findings.lesions,
            slices_with_findings=None if findings is None else len(findings.slices_with_findings),
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


class _Clock:
    """What each part of the work takes, in seconds."""

    def __init__(self) -> None:
        self.start = self._last = time.perf_counter()
        self.parts: dict[str, float] = {}

    def ends(self, part: str) -> None:
        """The part that began where the one before ended is over."""
        now_s = time.perf_counter()
        self.parts[part], self._last = now_s - self._last, now_s


def _typed(error: Exception) -> MiniSegError:
    """As one of ours; texts of libraries may quote the patient, and are left out."""
    if isinstance(error, MiniSegError):
        return error
    if (limit := limit_behind(error)) is not None:
        return limit
    if isinstance(error, OSError):
        return InputError("the series cannot be read", "readable files", error.strerror or type(error).__name__)
    return MiniSegError("something unforeseen", "a result", type(error).__name__)
