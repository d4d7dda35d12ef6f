"""The output folder is the run's memory: its settings, which series are done, and which driver works on it.

A series is done when `series/<key>/row.json` exists, which the worker writes last. A killed run resumes with the
remaining series: only series that were in progress are repeated, and nothing is lost.
"""

import shutil
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.errors import IntegrityError, OutputExistsError
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.storage.folder_output import SCRATCH
from miniseg_edge.runtimes.archive.storage.output import Output
from miniseg_edge.runtimes.archive.storage.urls import is_url, shown_url
from miniseg_edge.runtimes.archive.work import Work

RUN, ROW, SERIES = "run.json", "row.json", "series"
RUN_SCHEMA_VERSION = 2
MAX_RECORD_BYTES = 2**20


@dataclass(frozen=True)
class RunRecord:
    """The file `run.json`: all rows of one output folder are made with the same settings.

    Attributes:
        source: as in the `Work`; of a URL without credentials.
        bundle_digest, precision, formats, seg_frames, rescale, assume_hu: as in the `Work`.
        crews: runtime and device of each kind of worker.
    """

    schema_version: int
    source: str
    bundle_digest: str
    precision: str
    formats: tuple[str, ...]
    seg_frames: str
    rescale: tuple[float, float] | None
    assume_hu: bool
    crews: tuple[str, ...]


class OutputFolder:
    """An output folder, on a disk or in an object store.

    Thread-safety: methods for different series may be called concurrently, also from several processes.
    """

    def __init__(self, output: Output) -> None:
        self._output = output

    def results(self, key: str, scratch: Path) -> AbstractContextManager[Path]:
        """A local folder for a series' results; once left without an error, they are in the output.

        Args:
            key: of the series.
            scratch: folder for files that are sent from there.

        Raises: OutputError.
        """
        return self._output.results(_folder(key), scratch)

    def commit(self, row: Row) -> None:
        """Marks the series as done; its results are on the disk before. Raises: OutputError; then it is not done.

        A power cut may take the mark back or damage it, and then the series is done again. So the mark need not wait
        for the disk, which can do that a few hundred times a second for all workers together.
        """
        self._output.write(_row(row.key), json_from_record(row).encode(), durable=False)

    def row(self, key: str) -> Row | None:
        """The row of a series that is done; None if it is not, or if its row is damaged."""
        try:
            data = self._output.read(_row(key), MAX_RECORD_BYTES)
            return None if data is None else row_from_json(data)
        except IntegrityError:
            return None

    def is_done(self, key: str) -> bool:
        """Whether a series has its row."""
        return self._output.has(_row(key))

    def done_with(self, start: str) -> Container[str]:
        """Keys of series that are done and begin with `start`."""
        return self._output.holders(SERIES, start, ROW)

    def done(self) -> list[str]:
        """Keys of all series that are done."""
        done = self.done_with("")
        return [key for key in self._output.names(SERIES) if key in done]

    def forget(self, key: str) -> None:
        """Marks the series as not done; only its row is removed at once, the other results are replaced later."""
        self._output.remove(_row(key))

    def agree(self, record: RunRecord) -> None:
        """Refuses to add to results made with other settings. Raises: OutputExistsError, OutputError."""
        data = self._output.read(RUN, MAX_RECORD_BYTES)
        if data is None:
            self._output.write(RUN, json_from_record(record).encode())
            return
        found = record_from_object(RunRecord, object_from_json(data, RUN, IntegrityError), RUN, IntegrityError)
        found = replace(found, source=_shown(found.source))  # earlier versions kept credentials
        if found != record:
            differ = [name for name in vars(record) if getattr(found, name) != getattr(record, name)]
            raise OutputExistsError(
                f"{self._output.label()} belongs to another run",
                expected=", ".join(f"{n} {getattr(found, n)}" for n in differ),
                got=", ".join(f"{getattr(record, n)}" for n in differ),
                remedy="Choose another --output, or use the earlier settings.",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, no other driver works on the folder, as far as its storage can tell.

        Raises:
            OutputExistsError: the folder contains something else. OutputError: it is in use, or cannot be written.
        """
        self._check_ours()
        with self._output.locked():
            yield

    def _check_ours(self) -> None:
        """Checked before even a lock file is put into an unrelated folder."""
        if self._output.has(RUN):
            return
        if any(not name.startswith(".") for name in self._output.names("")):  # ours may have been left
            raise OutputExistsError(
                f"{self._output.label()} contains other files",
                expected="an archive's output, or nothing",
                got="another",
            )

    def clear_scratch(self) -> None:
        """Removes what a killed run left in the scratch folders. Raises: OutputError."""
        self._output.clear(SCRATCH)
        shutil.rmtree(self._output.scratch(), ignore_errors=True)


def record_of(work: Work, crews: tuple[str, ...]) -> RunRecord:
    """What the run asks for."""
    return RunRecord(
        RUN_SCHEMA_VERSION, _shown(work.source), work.bundle_digest, work.precision, work.formats, work.seg_frames,
        work.rescale, work.assume_hu, crews,
    )  # fmt: skip


def row_from_json(data: bytes) -> Row:
    """A row as it was committed. Raises: IntegrityError."""
    return record_from_object(Row, object_from_json(data, ROW, IntegrityError), ROW, IntegrityError)


def _shown(source: str) -> str:
    return shown_url(source) if is_url(source) else source


def _folder(key: str) -> str:
    return f"{SERIES}/{key}"


def _row(key: str) -> str:
    return f"{SERIES}/{key}/{ROW}"
