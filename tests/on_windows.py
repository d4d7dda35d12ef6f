"""What only Windows can show, by the package in a CPython for Windows: `.ci/windows` runs this under wine.

Nothing but the package and its dependencies is installed there, so these are plain assertions.
"""

import os
import sys
import tempfile
from pathlib import Path

from miniseg_edge.errors import OutputError
from miniseg_edge.host.files import lock_file, replace_file
from miniseg_edge.host.names import is_portable


def check_locks(folder: Path) -> None:
    """Two handles are two owners; closing gives the lock away; content stays readable for others."""
    path = folder / "lock"
    replace_file(path, b"content")
    first, second = (os.open(path, os.O_RDWR) for _ in range(2))
    assert lock_file(first)
    assert not lock_file(second)
    assert os.read(second, 7) == b"content"
    os.close(first)
    assert lock_file(second)
    os.close(second)


def check_replacing(folder: Path) -> None:
    """A file that is open elsewhere cannot be replaced here: a typed error, the old content, and nothing beside it."""
    path = folder / "Läsion 肺.json"
    replace_file(path, b"old")
    replace_file(path, b"new")
    with path.open("rb"):
        assert refused(path)
    assert path.read_bytes() == b"new"
    assert [found.name for found in folder.iterdir() if "partial" in found.name] == []


def refused(path: Path) -> bool:
    """Whether writing a file raises what we promise."""
    try:
        replace_file(path, b"newer")
    except OutputError:
        return True
    return False


def check_names(folder: Path) -> None:
    """What we call portable is a file of its own, and the same in another case."""
    for name in ("console.png", "com10", "..dots", "a b.c"):
        assert is_portable(name)
        (folder / name).write_bytes(name.encode())
        assert (folder / name.upper()).read_bytes() == name.encode()
    assert {"console.png", "com10", "..dots", "a b.c"} <= {found.name for found in folder.iterdir()}


def main() -> None:
    """Raises AssertionError."""
    assert sys.platform == "win32"
    with tempfile.TemporaryDirectory() as folder:
        for check in (check_locks, check_replacing, check_names):
            check(Path(folder))
    sys.stdout.write("locks, replacing and names do what is promised\n")


if __name__ == "__main__":
    main()
