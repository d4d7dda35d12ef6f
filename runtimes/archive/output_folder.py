"""The output folder is the run's memory: its settings, which series are done, and which driver works on it.

A series is done when `series/<key>/row.json` exists, which the worker writes last. A killed run resumes with the
remaining series: only series that were in progress are repeated, and nothing is lost.
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
    """The file `run.json`: all rows of one output folder are made with the same settings.

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
    """An output folder.

    Thread-safety: methods for different series may be called concurrently, also from several processes.
    """

    def __init__(self, output: Path) -> None:
        self.output = output

    def folder(self, key: str) -> Path:
        """The folder for a series' results."""
        return self.output / SERIES / key

    def begin(self, key: str, run: str) -> int:
        """Records an attempt at a series; returns the number of this run's attempts, including this one.

        Raises: OutputError.
        """
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
        """Marks the series as done permanently. Raises: OutputError; then it is not done."""
        folder = self.folder(row.key)
        replace_file(folder / ROW, json_from_record(row).encode())
        self.forget_attempts(row.key)

    def forget_attempts(self, key: str) -> None:
        """Removes the attempt records of a series that is done."""
        for attempt in self.folder(key).glob(".attempt-*"):
            attempt.unlink(missing_ok=True)

    def row(self, key: str) -> Row | None:
        """The row of a series that is done. Raises: IntegrityError."""
        path = self.folder(key) / ROW
        return row_from_json(bytes_from_file(path, MAX_RECORD_BYTES, IntegrityError)) if path.is_file() else None

    def is_done(self, key: str) -> bool:
        """Whether a series has its row."""
        return (self.folder(key) / ROW).is_file()

    def done(self) -> list[str]:
        """Keys of all series that are done."""
        folder = self.output / SERIES
        return sorted(name for name in os.listdir(folder) if self.is_done(name)) if folder.is_dir() else []  # noqa: PTH208

    def forget(self, key: str) -> None:
        """Marks the series as not done; only its row is removed at once, the other results are replaced later."""
        (self.folder(key) / ROW).unlink(missing_ok=True)

    def agree(self, record: RunRecord) -> None:
        """Refuses to add to results made with other settings. Raises: OutputExistsError, OutputError."""
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
        """Inside, no other driver works on the folder; the system releases the lock if this one dies.

        Raises:
            OutputExistsError: the folder contains something else. OutputError: it is in use, or cannot be written.
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
        """Checked before even a lock file is put into an unrelated folder."""
        if self.output.exists() and not self.output.is_dir():
            raise OutputError(f"{self.output} is not a folder", expected="a folder, or nothing yet", got="a file")
        if not self.output.is_dir() or (self.output / RUN).is_file():
            return
        if any(not path.name.startswith(".") for path in self.output.iterdir()):  # ours may have been left
            raise OutputExistsError(
                f"{self.output} contains other files", expected="an archive's output, or nothing", got="another"
            )

    def clear_scratch(self) -> None:
        """Removes temporary copies of a killed run from the output folder."""
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
