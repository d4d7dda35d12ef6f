"""The output folder as the run's memory: what was asked for, which series are done, and who is at work on it.

A series is done when `series/<key>/row.json` is there, written last, by the worker. A run that was killed goes on with
the others: nothing is done twice but what was under way, and nothing is lost.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.errors import IntegrityError, OutputError, OutputExistsError
from miniseg_edge.host.files import bytes_from_file, lock_file, replace_file
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.work import Work

RUN, ROW, LOCK, SERIES, SCRATCH = "run.json", "row.json", ".lock", "series", ".scratch"
RUN_SCHEMA_VERSION = 2
MAX_RECORD_BYTES = 2**20


@dataclass(frozen=True)
class RunRecord:
    """The file `run.json`: rows of one output folder are all made alike.

    Attributes:
        source, bundle_digest, precision, formats, seg_frames, rescale, assume_hu: as in the `Work`.
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
    """An output folder. Thread-safety: methods about different series may be called at once, by processes too."""

    def __init__(self, output: Path) -> None:
        self.output = output

    def folder(self, key: str) -> Path:
        """Where a series' results go."""
        return self.output / SERIES / key

    def begin(self, key: str, run: str) -> int:
        """Notes an attempt at a series; how many this run has begun, this one included. Raises: OutputError."""
        folder = self.folder(key)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            count = len(list(folder.glob(f".attempt-{run}-*"))) + 1
            (folder / f".attempt-{run}-{count}").touch()
        except OSError as error:
            raise OutputError(
                f"{folder} cannot be written", expected="a writable folder", because=error.strerror or ""
            ) from error
        return count

    def commit(self, row: Row) -> None:
        """The series is done, for good. Raises: OutputError; then it is not."""
        folder = self.folder(row.key)
        replace_file(folder / ROW, json_from_record(row).encode())
        self.forget_attempts(row.key)

    def forget_attempts(self, key: str) -> None:
        """Removes the notes of a series that is done."""
        for attempt in self.folder(key).glob(".attempt-*"):
            attempt.unlink(missing_ok=True)

    def row(self, key: str) -> Row | None:
        """The row of a series that is done. Raises: IntegrityError."""
        path = self.folder(key) / ROW
        return row_from_json(bytes_from_file(path, MAX_RECORD_BYTES, IntegrityError)) if path.is_file() else None

    def rows(self) -> dict[str, Row]:
        """All that is done. Raises: IntegrityError."""
        folder = self.output / SERIES
        if not folder.is_dir():
            return {}
        rows = (self.row(path.name) for path in folder.iterdir())
        return {row.key: row for row in rows if row is not None}

    def forget(self, key: str) -> None:
        """The series is to be done again; of its results only the row goes at once, others are replaced."""
        (self.folder(key) / ROW).unlink(missing_ok=True)

    def agree(self, record: RunRecord) -> None:
        """Refuses to add to what was made otherwise. Raises: OutputExistsError, OutputError."""
        path = self.output / RUN
        if path.is_file():
            data = object_from_json(bytes_from_file(path, MAX_RECORD_BYTES, IntegrityError), RUN, IntegrityError)
            found = record_from_object(RunRecord, data, RUN, IntegrityError)
            if found != record:
                differ = [name for name in vars(record) if getattr(found, name) != getattr(record, name)]
                raise OutputExistsError(
                    f"{self.output} belongs to another run",
                    expected=", ".join(f"{n} {getattr(found, n)}" for n in differ),
                    got=", ".join(f"{getattr(record, n)}" for n in differ),
                    remedy="Choose another --output, or use the earlier settings.",
                )
            return
        replace_file(path, json_from_record(record).encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, no other driver works on the folder; the system unlocks it if this one dies.

        Raises:
            OutputExistsError: there is something else in it; OutputError: it is in use, or cannot be written.
        """
        self._check_ours()
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.output / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OutputError(
                f"{self.output} cannot be written", expected="a writable folder", because=error.strerror or ""
            ) from error
        try:
            if not lock_file(handle):
                raise OutputError(f"{self.output} is in use", expected="one run at a time", got="a run in progress")
            yield
        finally:
            os.close(handle)

    def _check_ours(self) -> None:
        """Before so much as a lock is put into somebody else's folder."""
        if self.output.exists() and not self.output.is_dir():
            raise OutputError(f"{self.output} is not a folder", expected="a folder, or nothing yet", got="a file")
        if not self.output.is_dir() or (self.output / RUN).is_file():
            return
        if any(not path.name.startswith(".") for path in self.output.iterdir()):  # ours may have been left
            raise OutputExistsError(
                f"{self.output} contains other files", expected="an archive's output, or nothing", got="another"
            )

    def clear_scratch(self) -> None:
        """Removes copies that a killed run left in the output folder."""
        shutil.rmtree(self.output / SCRATCH, ignore_errors=True)


def record_of(work: Work, crews: tuple[str, ...]) -> RunRecord:
    """What the run asks for."""
    return RunRecord(
        RUN_SCHEMA_VERSION, work.source, work.bundle_digest, work.precision, work.formats, work.seg_frames,
        work.rescale, work.assume_hu, crews,
    )  # fmt: skip


def row_from_json(data: bytes) -> Row:
    """A row as it was committed. Raises: IntegrityError."""
    return record_from_object(Row, object_from_json(data, ROW, IntegrityError), ROW, IntegrityError)
