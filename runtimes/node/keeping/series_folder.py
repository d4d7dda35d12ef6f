"""One series in the spool: its images, and its rounds, each a sequence of files that appear one by one."""

import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.errors import MiniSegError
from miniseg_edge.host.files import make_folder, replace_file, sync_folder
from miniseg_edge.runtimes.node.keeping.records import (
    DONE,
    Drawn,
    End,
    Reference,
    Taken,
    read_record,
    write_record,
)

REASON = "reason.json"


@dataclass(frozen=True)
class Round:
    """A round of a series: its images, its results, what was sent, and how it ended.

    Attributes:
        folder: of its files.
    """

    folder: Path

    @property
    def number(self) -> int:
        """From 1."""
        return int(self.folder.name)

    @property
    def results(self) -> Path:
        """Where its results lie."""
        return self.folder / "results"

    def taken(self) -> Taken | None:
        """Its images; None before it starts. Raises: IntegrityError, like all methods here."""
        return read_record(Taken, self.folder / "taken.json")

    def drawn(self) -> Drawn | None:
        """Its results; None before they are all written."""
        return read_record(Drawn, self.folder / "drawn.json")

    def end(self) -> End | None:
        """How it ended; None while in progress."""
        return read_record(End, self.folder / "end.json")

    def begin(self, taken: Taken) -> None:
        """Fixes its images permanently. Raises: OutputError, like all methods that write."""
        write_record(self.folder / "taken.json", taken)

    def finish_drawing(self, drawn: Drawn) -> None:
        """Marks its results as written."""
        write_record(self.folder / "drawn.json", drawn)

    def finish(self, end: End) -> None:
        """It is over."""
        write_record(self.folder / "end.json", end)

    def reopen(self) -> None:
        """Reopens it: its results are to be sent again, or it is to start over. Raises: OSError."""
        if not (self.folder / "drawn.json").is_file():
            (self.folder / "taken.json").unlink(missing_ok=True)
        (self.folder / "end.json").unlink(missing_ok=True)
        sync_folder(self.folder)

    def attempt(self) -> int:
        """Records that a worker starts to segment it; returns the number of starts, including this one.

        Raises: OSError.
        """
        count = 1 + len(list(self.folder.glob("attempt-*")))
        (self.folder / f"attempt-{count}").touch()
        return count

    def forget_attempts(self) -> None:
        """Removes these records. Raises: OSError."""
        for path in self.folder.glob("attempt-*"):
            path.unlink(missing_ok=True)

    def forget_half_drawn(self) -> None:
        """Removes what a killed worker left."""
        shutil.rmtree(self.results, ignore_errors=True)

    def is_sent(self, archive: str, file: str) -> bool:
        """Whether an archive has accepted a result."""
        return (self.folder / "sent" / archive / file).is_file()

    def mark_sent(self, archive: str, file: str) -> None:
        """Records that an archive has accepted a result."""
        replace_file(self.folder / "sent" / archive / file, b"")

    def unmark_sent(self, archive: str) -> None:
        """Everything is to be sent again. Raises: OSError."""
        shutil.rmtree(self.folder / "sent" / archive, ignore_errors=True)

    def is_sent_anywhere(self) -> bool:
        """Whether an archive has any of its results."""
        sent = self.folder / "sent"
        return sent.is_dir() and any(path.is_file() for path in sent.rglob("*"))

    def is_delivered(self, archive: str) -> bool:
        """Whether an archive has everything, and confirmed it if required."""
        return (self.folder / f"delivered-{archive}").is_file()

    def mark_delivered(self, archive: str) -> None:
        """Records that an archive has everything."""
        replace_file(self.folder / f"delivered-{archive}", b"")


class SeriesFolder:
    """A series' folder in the spool. Thread-safety: provided by its owner's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._images = folder / "images"

    @property
    def key(self) -> str:
        """The series' name."""
        return self.folder.name

    def image(self, key: str) -> Path:
        """Where an image lies."""
        return self._images / key

    def images(self) -> frozenset[str]:
        """Keys of all images."""
        if not self._images.is_dir():
            return frozenset()
        return frozenset(path.name for path in self._images.iterdir() if not path.name.startswith("."))

    def add(self, key: str, received: Path) -> None:
        """Durably moves an image whose bytes are on disk into the series. Raises: OSError."""
        make_folder(self._images)
        try:
            os.replace(received, self.image(key))  # noqa: PTH105  one step on every system
        except PermissionError:  # Windows cannot rename an open file
            replace_file(self.image(key), received.read_bytes())
            return
        sync_folder(self._images)

    def rounds(self) -> list[Round]:
        """Rounds that have started, in order."""
        return [Round(path) for path in self._round_folders() if (path / "taken.json").is_file()]

    def _round_folders(self) -> list[Path]:
        folder = self.folder / "rounds"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def begin_round(self, replaces: Iterable[Reference]) -> Round:
        """A new round with all current images. Raises: OutputError."""
        number = 1 + max((int(path.name) for path in self._round_folders()), default=0)
        found = Round(self.folder / "rounds" / f"{number:06d}")
        found.begin(Taken(tuple(sorted(self.images())), tuple(replaces)))
        return found

    def last_results(self) -> tuple[Reference, ...]:
        """What archives have of earlier rounds: the objects of the last one of which anything was sent."""
        for one in reversed(self.rounds()):
            drawn = one.drawn()
            if drawn is not None and one.is_sent_anywhere():
                return tuple(made.reference for made in drawn.objects)
        return ()

    def answered_images(self) -> frozenset[str]:
        """Images of the last round that ended successfully."""
        for one in reversed(self.rounds()):
            end, taken = one.end(), one.taken()
            if end is not None and end.status == DONE and taken is not None:
                return frozenset(taken.images)
        return frozenset()

    def say_why(self, error: MiniSegError) -> None:
        """Writes the reason to where operators look for it. Raises: OutputError."""
        write_record(self.folder / REASON, End("failed", error.code, str(error)))

    def restate(self, end: End) -> None:
        """The same for a round that ended like this. Raises: OutputError."""
        write_record(self.folder / REASON, end)

    def take_back_reason(self) -> None:
        """Removes its reason."""
        with contextlib.suppress(OSError):
            (self.folder / REASON).unlink(missing_ok=True)

    def reason(self) -> End | None:
        """Why it could not be answered."""
        return read_record(End, self.folder / REASON)
