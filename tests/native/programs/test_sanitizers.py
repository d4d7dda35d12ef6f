"""The library under sanitizers: odd sizes, threads, contexts at once, cancelling, closing; nothing is found.

With AddressSanitizer there is memory around each map that must not be touched (arena.h).
"""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.architecture import Architecture
from miniseg_edge.native.binding import Model
from miniseg_edge.native.build import Compiler, build
from tests.native.plans import case
from tests.native.programs.building import compilers, linked

pytestmark = pytest.mark.slow

NETWORKS = [
    Architecture((5, 20, 28, 24), (3, 1, 0, 2), (2, 0, 0, 1)),
    Architecture((3, 8, 12, 20), (1, 1, 2, 1), (1, 0, 1, 1), classes=3),
    Architecture((1, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0)),
]
SIZES = [(61, 87), (1, 1), (3, 130)]

AT_ONCE = ["together", "cancel", "busy", "close", "volumes", "profiles", "chains"]
"""What several threads do."""

AS_WRITTEN = ("-g1", "-O0")
"""No access is optimised away, and building takes half the time."""

MEMORY = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", *AS_WRITTEN)
THREADS = ("-fsanitize=thread", *AS_WRITTEN)

FIXED_ADDRESSES = ("setarch", "-R")
"""Older ThreadSanitizers do not start where the kernel spreads addresses widely."""


@dataclass(frozen=True)
class Stress:
    """stress.cpp under a sanitizer.

    Attributes:
        path: the program.
        before: what starts it.
        cases: a plan, pixels, their size and the logits of the library in the package, and so on.
    """

    path: Path
    before: Sequence[str]
    cases: Sequence[str]

    def run(self, what: str) -> subprocess.CompletedProcess[str]:
        """Ends at the first finding."""
        halt = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
        command = [*self.before, str(self.path), what, *self.cases]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=halt)


def cases(folder: Path) -> list[str]:
    words: list[str] = []
    for network in NETWORKS:
        plan = case(network).plan
        for size in SIZES:
            slice_ = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
            with Model(plan) as model, model.context(size) as context:
                logits = context.logits(slice_)
            files = [folder / f"{len(words)}.{kind}" for kind in ("plan", "pixels", "logits")]
            for file, content in zip(files, (plan, slice_.tobytes(), logits.tobytes()), strict=True):
                file.write_bytes(content)
            words += [str(files[0]), str(files[1]), str(size[0]), str(size[1]), str(files[2])]
    return words


def sanitizer(folder: Path, flags: Sequence[str]) -> tuple[Compiler, Sequence[str]]:
    """A compiler that has it, and what its programs are started with. Skips where there is none."""
    source = folder / "empty.cpp"
    source.write_text("int main() {}\n", encoding="utf-8")
    for compiler in compilers("g++", "clang++"):
        built = [*compiler.command, *flags, str(source), "-o", str(folder / "empty")]
        if subprocess.run(built, capture_output=True, check=False).returncode != 0:
            continue
        for before in ((), FIXED_ADDRESSES):
            if subprocess.run([*before, str(folder / "empty")], capture_output=True, check=False).returncode == 0:
                return compiler, before
    pytest.skip(f"no compiler here makes programs with {flags[0]} that start")


def stress(folder: Path, flags: Sequence[str]) -> Stress:
    compiler, before = sanitizer(folder, flags)
    library = build(folder / "built", compiler, flags, platform.machine())
    return Stress(linked("stress.cpp", library, compiler, flags), before, cases(folder))


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Stress:
    """With AddressSanitizer, which also looks for leaks, and UndefinedBehaviorSanitizer."""
    return stress(tmp_path_factory.mktemp("memory"), MEMORY)


@pytest.fixture(scope="module")
def threads(tmp_path_factory: pytest.TempPathFactory) -> Stress:
    """With ThreadSanitizer."""
    return stress(tmp_path_factory.mktemp("threads"), THREADS)


@pytest.mark.parametrize("what", ["sets", *AT_ONCE, "broken"])
def test_addresses_and_undefined_behaviour(memory: Stress, what: str) -> None:
    done = memory.run(what)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("what", AT_ONCE)
def test_races(threads: Stress, what: str) -> None:
    done = threads.run(what)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize(
    ("what", "told", "place"),
    [
        ("short-slice", "heap-buffer-overflow", "kernels/prepare.h"),
        ("far-rows", "pointer index expression", "first_stage.cpp"),
    ],
)
def test_faults_in_memory_are_found(memory: Stress, what: str, told: str, place: str) -> None:
    """In the library: its own code is watched, not the program's alone."""
    done = memory.run(what)
    assert done.returncode != 0
    assert told in done.stderr
    assert place in done.stderr


def test_races_are_found(threads: Stress) -> None:
    done = threads.run("shared-output")
    assert done.returncode != 0
    assert "data race" in done.stderr
    assert "decoder.cpp" in done.stderr
