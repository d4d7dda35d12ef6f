"""Programs in C and C++ on the library, built by any compiler."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from miniseg_edge.native.binding import InstructionSet
from miniseg_edge.native.build import SOURCES, Compiler, build


@dataclass(frozen=True)
class Program:
    """runner.c, linked against a library.

    Attributes:
        path: the program.
        before: what starts it, as an emulator.
    """

    path: Path
    before: tuple[str, ...] = ()

    def logits(
        self, plan: bytes, slices: npt.NDArray[np.uint8], set_: InstructionSet = InstructionSet.BEST, threads: int = 1
    ) -> bytes:
        """Of slices (n, H, W) of a network with two classes. Fails with the program's own words."""
        folder = self.path.parent
        (folder / "plan").write_bytes(plan)
        slices.tofile(folder / "slices")
        count, height, width = slices.shape
        words = [folder / "plan", folder / "slices", height, width, count, int(set_), threads, folder / "logits"]
        done = subprocess.run([*self.before, self.path, *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return (folder / "logits").read_bytes()


def program(
    folder: Path, compiler: Compiler, extra: tuple[str, ...] = (), machine: str = "x86_64", before: tuple[str, ...] = ()
) -> Program:
    """Builds both in a folder."""
    library = build(folder, compiler, extra, machine)
    return Program(linked("runner.c", library, compiler, extra), before)


def linked(name: str, library: Path, compiler: Compiler, extra: Sequence[str] = ()) -> Path:
    """Builds the program of a source in this folder, in C or C++, beside a library that it is linked against."""
    source = Path(__file__).with_name(name)
    path = library.with_name(source.stem)
    language = ("-x", "c") if source.suffix == ".c" else ("-x", "c++", "-std=c++20")
    command = [*compiler.command, *language, *extra, "-pthread", f"-I{SOURCES}", str(source)]
    command += ["-x", "none", str(library), "-Wl,-rpath,$ORIGIN", "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def compilers(*names: str) -> list[Compiler]:
    """Those of this machine, by name."""
    paths = [shutil.which(name) for name in names]
    return [Compiler((path,)) for path in paths if path is not None]
