"""Far storages fail for a moment: they throttle, and connections break. Such calls are repeated, others are not."""

import errno
import io
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from miniseg_edge.errors import StorageError

T = TypeVar("T")

TRIES = 8
MOST_S = 120.0
"""After so long no further try begins."""

FIRST_WAIT_S, MOST_WAIT_S = 0.25, 20.0
"""The longest wait doubles with each try; a random part of it, so that many workers do not return together."""

_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_ERRNOS = frozenset(
    {
        *(errno.ECONNRESET, errno.ECONNABORTED, errno.ECONNREFUSED, errno.EPIPE, errno.ETIMEDOUT, errno.EBUSY),
        *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EAGAIN, errno.EIO),
    }
)
_NAMES = frozenset(
    {
        *("TimeoutError", "ConnectionError", "HTTPClientError", "ResponseParserError"),
        *("ClientConnectionError", "ClientPayloadError", "IncompleteRead", "IncompleteReadError", "ProtocolError"),
    }
)
"""Classes of the HTTP clients below fsspec's drivers; no package of theirs need be installed to tell them."""

_CHANGED = "FileExpired"
"""Of s3fs: the object is another one than when it was opened, and stays so."""


class TornReadError(ConnectionError):
    """Fewer bytes came than there are."""


def retried(call: Callable[[], T]) -> T:
    """Returns what `call` returns, repeating it while it fails for a passing reason.

    Raises: StorageError if it does so until the tries or the time are spent; otherwise as `call`.
    """
    start, tries = time.monotonic(), 0
    while True:
        try:
            return call()
        except Exception as error:  # each storage has its own exceptions
            tries += 1
            if not is_passing(error):
                raise
            if tries == TRIES or time.monotonic() - start > MOST_S:
                raise StorageError(
                    "the storage does not answer", because=type(error).__name__, got=f"{tries} tries that failed"
                ) from None
        time.sleep(random.uniform(0.5, 1) * min(MOST_WAIT_S, FIRST_WAIT_S * 2 ** (tries - 1)))  # noqa: S311


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed later: throttling, a broken connection, a timeout."""
    return any(_is_passing(one) for one in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what its library says that it comes from."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def _is_passing(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    if _CHANGED in names:
        return False
    return bool(names & _NAMES) or getattr(error, "errno", None) in _ERRNOS or _status(error) in _STATUSES


def _status(error: BaseException) -> int | None:
    """Of HTTP, as the libraries keep it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return found if isinstance(found, int) else None
    codes = (str(getattr(error, name, "")) for name in ("status", "status_code", "code"))
    return next((int(code) for code in codes if code.isdecimal()), None)


class RetriedFile(io.RawIOBase):
    """A far file that is read in order, or from where it is set to. Thread-safety: none."""

    def __init__(self, opened: Callable[[], Any]) -> None:
        """Opens it. Raises: as `retried` of `opened`."""
        self._file: Any = None
        self._file = retried(opened)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Whether its library can."""
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As of any file."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """As of any file."""
        return int(self._file.tell())

    def readinto(self, buffer: Any, /) -> int:
        """Reads on. Raises: as `retried`."""
        start = self._file.tell()

        def read() -> bytes:
            if self._file.tell() != start:
                self._file.seek(start)
            data: bytes = self._file.read(len(buffer))
            size = getattr(self._file, "size", None)
            if size is not None and start + len(data) < min(size, start + len(buffer)):
                raise TornReadError("fewer bytes than the file has")
            return data

        data = retried(read)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Closes both."""
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()
