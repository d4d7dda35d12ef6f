"""URLs of fsspec's: which text is one, how it is shown, and its file system."""

import re
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.printable import printable

_USER = re.compile(r"://[^/]*@")
_QUERY = re.compile(r"\?.*", re.DOTALL)


def is_url(place: str) -> bool:
    """Whether fsspec opens it: "name://", and chains such as "zip::file.zip"."""
    return "://" in place or "::" in place


def shown_url(url: str) -> str:
    """A URL without user, password and query, which may be credentials; it is the same after these are renewed."""
    return printable("::".join(_QUERY.sub("", _USER.sub("://", link)) for link in url.split("::")))


def file_system_at(url: str) -> tuple[Any, str]:
    """The file system of a URL, of our own so that no other user's listings are cached in it, and the path in it.

    Raises: an exception of the storage's library, which may quote credentials; MissingDependencyError.
    """
    fsspec: Any = require("fsspec", "scale")
    system, root = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    return system, str(root).rstrip("/")


def is_local(system: Any) -> bool:
    """Whether its files are this machine's."""
    return "file" in system.protocol
