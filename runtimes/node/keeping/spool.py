"""The spool: images and results in progress, so that a killed node resumes where it stopped.

    .lock                          held by the one node that works here
    incoming/                      objects that are being received; emptied when a node starts
    series/<key>/images/<key>      images that were acknowledged
    series/<key>/rounds/000001/    `taken.json`, `results/`, `drawn.json`, `sent/`, `end.json`, in this order
    dead/<key>/                    a series that could not be answered, with `reason.json`
    answered/<key>.json            what is known of a series after its images were deleted
    kept/<key>-000001/             with --keep, in the place of deleting them
    trash/                         what is being deleted

Keys are hashes of UIDs. Every step is one file that appears atomically, so the folder alone determines the next step.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from miniseg_edge.errors import OutputError, OutputExistsError
from miniseg_edge.host.files import lock_file, make_folder, replace_file, sync_folder
from miniseg_edge.runtimes.node.keeping.records import Answered, read_record, write_record

SPOOL_VERSION = b"miniseg-node spool 1\n"
MAX_ANSWERED = 5000
"""Number of answered series that are remembered; the oldest are removed."""

_VERSION, _LOCK = "version", ".lock"
_KEY_DIGITS = 32
_STRIPES = 64


def key_of(uid: str) -> str:
    """A UID's name in the spool, in logs and metrics: 32 hexadecimal digits."""
    return hashlib.sha256(uid.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_DIGITS]


class Spool:
    """A spool folder.

    Thread-safety: all methods may be called from many threads of one process at once; `locked` excludes other
    processes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming, self.series = root / "incoming", root / "series"
        self.dead, self.kept = root / "dead", root / "kept"
        self._answered, self._trash = root / "answered", root / "trash"
        self._stripes = [threading.Lock() for _ in range(_STRIPES)]
        self._counting = threading.Lock()
        self._bytes = self._answered_count = 0
        self._numbers: dict[str, int] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, the folder exists, no other process works in it, and incomplete work of a killed node is removed.

        Raises:
            OutputExistsError: the folder contains something else. OutputError: it is in use, or cannot be written.
        """
        self._check_ours()
        try:
            for folder in (self.incoming, self.series, self.dead, self.kept, self._answered, self._trash):
                make_folder(folder)
            self.root.chmod(0o700)  # patients' images: not for other users of this machine
            handle = os.open(self.root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OutputError(
                f"{self.root} cannot be written", expected="a writable folder", because=error.strerror or ""
            ) from error
        try:
            if not lock_file(handle):
                raise OutputError(f"{self.root} is in use", expected="one node at a time", got="a run in progress")
            replace_file(self.root / _VERSION, SPOOL_VERSION)
            self._recover()
            yield
        finally:
            os.close(handle)

    def is_at_work(self) -> bool:
        """Whether a node is working in it now."""
        try:
            handle = os.open(self.root / _LOCK, os.O_RDWR)
        except OSError:
            return False
        try:
            return not lock_file(handle)
        finally:
            os.close(handle)

    def lock_of(self, key: str) -> threading.Lock:
        """Held while a series' folder is changed as a whole, or receives an image."""
        return self._stripes[int(key[:8], 16) % _STRIPES]

    @property
    def bytes(self) -> int:
        """Total bytes of images and results."""
        return self._bytes

    def counted(self, difference: int) -> None:
        """Records that this many bytes were added (or removed, if negative)."""
        with self._counting:
            self._bytes += difference

    def free_bytes(self) -> int:
        """On its disk."""
        return shutil.disk_usage(self.root).free

    def series_keys(self) -> list[str]:
        """Series that are in progress, waiting or resting."""
        return sorted(path.name for path in self.series.iterdir())

    def dead_keys(self) -> list[str]:
        """Series that could not be answered."""
        return sorted(path.name for path in self.dead.iterdir()) if self.dead.is_dir() else []

    def revive(self, key: str) -> bool:
        """Restores a dead letter, under its lock, if there is one. Raises: OSError."""
        if not (self.dead / key).is_dir() or (self.series / key).exists():
            return False
        _moved(self.dead / key, self.series / key)
        return True

    def bury(self, key: str) -> None:
        """Makes a series a dead letter, under its lock. Raises: OSError."""
        _moved(self.series / key, self.dead / key)

    def answered(self, key: str) -> Answered | None:
        """The record of a series that was answered and deleted. Raises: IntegrityError."""
        return read_record(Answered, self._answered / f"{key}.json")

    def retire(self, key: str, answered: Answered, *, keep: bool) -> None:
        """Removes an answered series, under its lock. Raises: OSError, OutputError."""
        with self._counting:
            self._answered_count += 1
            number = self._numbers[key] = self._answered_count
        write_record(self._answered / f"{key}.json", Answered(number, answered.images, answered.results))
        folder = self.series / key
        if keep:
            _moved(folder, self.kept / f"{key}-{number:06d}")
        else:
            self.discard(folder)
        self._forget_oldest()

    def discard(self, folder: Path) -> None:
        """Deletes a folder of the spool: first its name, then its files. Raises: OSError."""
        going = self._trash / folder.name
        _moved(folder, going)
        size = _counted_below(going)
        shutil.rmtree(going, ignore_errors=True)
        self.counted(-size)

    def _forget_oldest(self) -> None:
        with self._counting:
            oldest = sorted(self._numbers, key=self._numbers.__getitem__)[: max(0, len(self._numbers) - MAX_ANSWERED)]
            for key in oldest:
                del self._numbers[key]
        for key in oldest:
            (self._answered / f"{key}.json").unlink(missing_ok=True)

    def _recover(self) -> None:
        for folder in (self.incoming, self._trash):
            for path in folder.iterdir():
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        for path in self.root.rglob(".*.partial"):
            path.unlink(missing_ok=True)
        for path in self._answered.glob("*.json"):
            record = read_record(Answered, path)
            self._numbers[path.stem] = 0 if record is None else record.number
        self._answered_count = max(self._numbers.values(), default=0)
        homes = (self.series, self.dead, self.kept)
        self._bytes = sum(_counted_below(folder) for home in homes for folder in home.iterdir())

    def _check_ours(self) -> None:
        """Checked before even a lock file is put into an unrelated folder."""
        if self.root.exists() and not self.root.is_dir():
            raise OutputError(f"{self.root} is not a folder", expected="a folder, or nothing yet", got="a file")
        if self.root.is_dir() and not (self.root / _VERSION).is_file():
            ours = {"incoming", "series", "dead", "kept", "answered", "trash", _LOCK}  # a start that was killed
            if any(path.name not in ours and not path.name.endswith(".partial") for path in self.root.iterdir()):
                raise OutputExistsError(
                    f"{self.root} contains other files", expected="a node's spool, or nothing", got="another"
                )
        elif self.root.is_dir() and (self.root / _VERSION).read_bytes() != SPOOL_VERSION:
            raise OutputExistsError(f"{self.root} is of another version", expected="spool 1", got="another")


def _moved(folder: Path, to: Path) -> None:
    """Durably renames a folder; replaces what a killed node left at the new name. Raises: OSError."""
    if to.exists():
        shutil.rmtree(to)
    folder.rename(to)
    sync_folder(to.parent)
    sync_folder(folder.parent)


def bytes_below(folder: Path) -> int:
    """Total size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _counted_below(folder: Path) -> int:
    """Size of a series' images and results, without the small records."""
    results = (path / "results" for path in (folder / "rounds").glob("*") if (path / "drawn.json").is_file())
    return bytes_below(folder / "images") + sum(map(bytes_below, results))
