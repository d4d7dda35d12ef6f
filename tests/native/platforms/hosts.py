"""Programs with the library, built for a platform and started there.

The compiler is zig's in `make platforms`, else one of Debian's.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock

from miniseg_edge.native.binding import PATH, InstructionSet
from miniseg_edge.native.build import IMPORT_LIBRARY, SOURCES, BuildError, Compiler, build, compiled, zig
from miniseg_edge.native.platform_table import Platform
from tests.examples import EXAMPLES

DEBIAN = {
    "linux-x86_64": ("g++",),
    "linux-aarch64": ("aarch64-linux-gnu-g++",),
    "windows-x86_64": ("x86_64-w64-mingw32-g++-posix", "-static"),  # with its own threads inside
}
WHOLE = "MINISEG_EDGE_PLATFORMS" in os.environ
"""Whether `make platforms` runs the tests."""

HERE = Path(__file__).parent
WARNINGS = ("-O1", "-Wall", "-Wextra", "-Werror", f"-I{SOURCES}", f"-I{EXAMPLES}")


@dataclass(frozen=True)
class Answer:
    """What digest.c says: the digest of all logits, and the instruction set that ran."""

    digest: str
    instruction_set: InstructionSet


@dataclass(frozen=True)
class Host:
    """A program with the library.

    Attributes:
        path: the program.
        before: what starts it.
        environment: what it gets besides this process's own.
    """

    path: Path
    before: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = [*self.before, str(self.path), *map(str, words)]
        known = {**os.environ, **self.environment}
        return subprocess.run(command, env=known, capture_output=True, text=True, check=False)

    def answer(self, cases: Sequence[str], set_: InstructionSet = InstructionSet.BEST, threads: int = 2) -> Answer:
        """Of digest.c. Fails with the program's own words."""
        done = self.run(int(set_), threads, *cases)
        assert done.returncode == 0, done.stderr[-4000:]
        digest, number = done.stdout.split()
        return Answer(digest, InstructionSet(int(number)))


@dataclass(frozen=True)
class Built:
    """The library for a platform.

    Attributes:
        row: the platform.
        folder: where the library lies, and programs are put.
        compiler: what built it.
    """

    row: Platform
    folder: Path
    compiler: Compiler

    def host(self, source: Path, *extra: str) -> Host:
        """A program from a source in C: beside the library, or with it inside where the C library is musl."""
        before = starter(self.row)
        program = self.folder / (source.stem + (".exe" if self.row.system == "win32" else ""))
        command = [*self.compiler.command, "-x", "c", "-std=c11", *WARNINGS, str(source), "-x", "none", *extra]
        subprocess.run([*command, *self._library(), "-o", str(program)], check=True, capture_output=True)
        return Host(program, before, wine(self.folder) if self.row.system == "win32" else {})

    def _library(self) -> list[str]:
        if is_static(self.row):
            return [*map(str, sorted((self.folder / "objects").glob("*.o"))), "-static"]
        if self.row.system == "win32":
            return [str(self.folder / IMPORT_LIBRARY)]
        return [str(self.folder / PATH.name), "-Wl,-rpath,$ORIGIN"]


def is_static(row: Platform) -> bool:
    """Whether programs have the library inside: nothing here has musl beside them."""
    return "musl" in row.target


def built_for(row: Platform, folder: Path) -> Built:
    """Builds the library in a folder that processes share. Skips where no compiler here makes it."""
    compiler = compiler_for(row)
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "done").exists():
            _build(row, compiler, folder)
            (folder / "done").touch()
    return Built(row, folder, compiler)


def compiler_for(row: Platform) -> Compiler:
    """zig's for `make platforms`, else one of Debian's, which is quicker. Skips where it is not here."""
    try:
        if WHOLE:
            return zig(row.target)
    except BuildError:
        pytest.skip("needs ziglang")
    command = DEBIAN.get(row.name) or pytest.skip("`make platforms` runs this test")
    path = shutil.which(command[0]) or pytest.skip(f"needs {command[0]}")
    return Compiler((path, *command[1:]))


def starter(row: Platform) -> tuple[str, ...]:
    """What starts the platform's programs. Skips where it is missing."""
    if row.run_by is None:
        pytest.skip(f"nothing here runs programs for {row.name}")
    if row.run_by and shutil.which(row.run_by[0]) is None:
        pytest.skip(f"needs {row.run_by[0]}")
    return row.run_by


def wine(folder: Path) -> dict[str, str]:
    """A Windows of its own in a folder, without windows, installers and complaints."""
    return {"WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}


def _build(row: Platform, compiler: Compiler, folder: Path) -> None:
    if is_static(row):
        (folder / "objects").mkdir()
        compiled(folder / "objects", compiler, machine=row.machine)
    elif compiler.zig or row.name != "linux-x86_64":
        build(folder, compiler, machine=row.machine, system=row.system)
    else:
        shutil.copy(PATH, folder)
    if (
        row.system == "win32" and row.run_by and shutil.which(row.run_by[0])
    ):  # what wine says when it begins is not a program's
        start = [*row.run_by, "cmd", "/c", "exit"]
        subprocess.run(start, env={**os.environ, **wine(folder)}, check=True, capture_output=True)
