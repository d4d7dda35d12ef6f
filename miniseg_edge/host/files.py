"""Files: bounded reads, atomic writes, hashes."""

import ctypes
import errno
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from miniseg_edge.errors import MiniSegError, OutputError

_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD, and RENAME_EXCHANGE of Linux, which macOS calls RENAME_SWAP."""

_LOCKED_BYTE = 2**30


def sha256_of(data: bytes | bytearray) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def bytes_from_file(path: Path, limit: int, error: type[MiniSegError]) -> bytes:
    """Reads a whole file once; refuses more than `limit` bytes before allocating them.

    Raises:
        error: the file is missing, unreadable, not a regular file, or too large.
    """
    try:
        if not path.is_file():
            raise error(
                f"{path} is not a file",
                expected="a readable file",
                got="a folder" if path.is_dir() else "nothing there",
            )
        with open(path, "rb", opener=_opened_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):  # it was a file a moment ago
                raise error(
                    f"{path} is not a file", expected="a readable file", got="something that was put in its place"
                )
            size = status.st_size
            data = file.read(size) if size <= limit else b""
    except OSError as reason:
        raise error(f"{path} cannot be read", because=reason.strerror or str(reason)) from reason
    if size > limit:
        raise error(f"{path} is too large", expected=f"at most {limit} bytes", got=f"{size} bytes")
    return data


def _opened_at_once(path: str, flags: int) -> int:
    """Opens without blocking if the file was replaced by a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def replace_file(path: Path, data: bytes) -> None:
    """Writes `path` so that it contains either its old content or all of `data`, even after a power cut.

    Once it returns, a power cut does not restore the old content, provided that the disk keeps what it confirmed.

    Raises:
        OutputError: disk full, read-only or no permission. If the disk fails at the very end, either content may
            remain.
    """
    temporary = None
    try:
        make_folder(path.parent)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp makes private files; results are for other users too
        Path(temporary).replace(path)
        temporary = None
        sync_folder(path.parent)
    except OSError as reason:
        raise OutputError(
            f"{path} cannot be written",
            expected="a writable folder with free space",
            because=reason.strerror or str(reason),
        ) from reason
    finally:  # also removed after an interruption
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def private_folder(name: str) -> Path:
    """A folder of this user's among the system's temporary files, the same whenever it is asked for.

    Others can make folders there, too, so it is used only if it is ours. Raises: OutputError.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        path = Path(tempfile.gettempdir()) / f"{name}-{user}"
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise OutputError(
            "no folder for copies can be made", expected="a writable temporary folder", because=error.strerror or ""
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user:
        raise OutputError(f"{path} belongs to another user", expected="a folder of ours", got="another user's")
    return path


def make_folder(path: Path) -> None:
    """Creates a folder and its parents durably. Raises: OSError."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flushes the names in a folder to disk: a power cut may undo an unflushed rename. Raises: OSError."""
    if sys.platform == "win32":  # which cannot open folders
        return
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # writable but not readable
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # network file systems may not support it
            raise
    finally:
        os.close(handle)


def lock_file(handle: int) -> bool:
    """Locks an opened file until it is closed; returns whether that succeeded.

    Without support for locks, it succeeds.
    """
    if sys.platform == "win32":
        return _locked_on_windows(handle)
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        return True
    return True


def _locked_on_windows(handle: int) -> bool:
    """Locks a byte beyond the content, because other processes cannot read a locked byte."""
    import msvcrt

    position = os.lseek(handle, 0, os.SEEK_CUR)
    try:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    finally:
        os.lseek(handle, position, os.SEEK_SET)
    return True


def exchange(one: Path, other: Path) -> bool:
    """Atomically swaps two names in one file system, so that neither is ever missing.

    Returns:
        Returns False if the system or the file system does not support it.
    """
    libc: Any = ctypes.CDLL(None) if sys.platform != "win32" else None
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform.startswith("linux") and hasattr(libc, "renameat2"):
        return bool(libc.renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE) == 0)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return bool(libc.renamex_np(*names, _EXCHANGE) == 0)
    return False


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
