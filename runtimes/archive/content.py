"""How a later run recognises a series: a hash of its files, or storage metadata that change on every write."""

import hashlib
from collections.abc import Callable, Iterable
from typing import BinaryIO, Literal

from miniseg_edge.errors import StorageError

KnownBy = Literal["times", "etag", "content"]

TIMES: KnownBy = "times"
ETAG: KnownBy = "etag"
CONTENT: KnownBy = "content"

_PIECE = 2**20


def content_sha256(files: Iterable[Callable[[], BinaryIO]]) -> str | None:
    """SHA-256 in hex of the sorted SHA-256 of all files, so that their names and order do not matter.

    Args:
        files: each opens one.

    Returns:
        None if one of them cannot be read.

    Raises:
        StorageError: a storage does not answer, so that nothing is known.
    """
    try:
        found = sorted(_sha256(file) for file in files)
    except StorageError:
        raise
    except Exception:  # storages have their own exceptions; the reader of the series reports what is wrong
        return None
    return hashlib.sha256(b"".join(found)).hexdigest()


def _sha256(file: Callable[[], BinaryIO]) -> bytes:
    found = hashlib.sha256()
    with file() as opened:
        while piece := opened.read(_PIECE):
            found.update(piece)
    return found.digest()
