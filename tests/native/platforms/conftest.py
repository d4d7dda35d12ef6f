"""The cases, and the library for each platform, made once."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.native.platform_table import platform_named
from tests.native.platforms.cases import digest, drawn, golden, words
from tests.native.platforms.hosts import Built, built_for


@dataclass(frozen=True)
class Expected:
    """Words for digest.c, and the digest that the library in the package gives."""

    words: list[str]
    digest: str


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory, demo_bundle_path: Path) -> Expected:
    cases = [golden(open_bundle(demo_bundle_path)), *drawn()]
    return Expected(words(cases, tmp_path_factory.mktemp("cases")), digest(cases))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    """The library for a platform, by its name; the processes of a test run share it."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    return cache(lambda name: built_for(platform_named(name), shared / f"platform-{name}"))
