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
    """The whole file, read once; refuses more than `limit` bytes before allocating them.

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
            if not stat.S_ISREG(status.st_mode):  # it was one a moment ago
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
    """Opens without waiting for the other end of a pipe that was put in a file's place."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def replace_file(path: Path, data: bytes) -> None:
    """Writes `path` so that it holds either its old content or all of `data`, whatever happens, a power cut too.

    Once it returns, a power cut does not bring the old content back, where the disk keeps what it said it has written.

    Raises:
        OutputError: disk full, read-only, no permission; a disk that fails at the very last may hold either.
    """
    temporary = None
    try:
        make_folder(path.parent)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp makes files private; results are for others too
        Path(temporary).replace(path)
        temporary = None
        sync_folder(path.parent)
    except OSError as reason:
        raise OutputError(
            f"{path} cannot be written",
            expected="a writable folder with free space",
            because=reason.strerror or str(reason),
        ) from reason
    finally:  # an interruption leaves no temporary file either
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, as far as they are not there, to last. Raises: OSError."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Has the disk hold the names in a folder: a power cut may take back what was only renamed. Raises: OSError."""
    if sys.platform == "win32":  # which opens no folders
        return
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # one may write into it without reading it
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems of networks may know no such thing
            raise
    finally:
        os.close(handle)


def lock_file(handle: int) -> bool:
    """Whether the lock on an opened file is ours until it is closed; where there are no locks, it is taken as ours."""
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
    """Locks a byte behind all content: a locked byte could not be read by others."""
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
    """Swaps two names of one file system in a single step, so that at no moment either is missing.

    Returns:
        Whether that was done; False where the system or the file system cannot.
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
