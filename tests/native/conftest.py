"""The library, built once where it is not there yet."""

from pathlib import Path

import pytest
from filelock import FileLock

from miniseg_edge.native.binding import PATH
from miniseg_edge.native.build import build


@pytest.fixture(scope="session", autouse=True)
def built_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one in the package."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "libminiseg.lock"):
        if not PATH.exists():
            build(PATH.parent)
    return PATH
