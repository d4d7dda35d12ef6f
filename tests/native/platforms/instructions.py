"""`python -m tests.native.platforms.instructions`: the instructions that a slice costs, counted by QEMU.

One slice more less one slice, so that opening the plan is in neither; the SHA-256 of its logits is. QEMU emulates no
AVX-512, and says nothing of time.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from miniseg_edge.architecture import PRESETS
from miniseg_edge.console import terminal
from miniseg_edge.native.binding import InstructionSet
from miniseg_edge.native.platform_table import platform_named
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.preprocessing import ByteArray
from tests.native.plans import case
from tests.native.platforms.cases import Slices, words
from tests.native.platforms.hosts import HERE, Host, built_for, starter

SIDE = 256
COUNTED = (
    ("linux-x86_64", InstructionSet.AVX2, ("qemu-x86_64", "-cpu", "Haswell")),
    ("linux-x86_64", InstructionSet.PLAIN, ("qemu-x86_64", "-cpu", "Haswell")),
    ("linux-aarch64", InstructionSet.NEON, ()),
    ("linux-aarch64", InstructionSet.PLAIN, ()),
)
"""A platform, an instruction set, and what emulates it if not the table's."""


def plugin(folder: Path) -> Path:
    """Compiled by the machine's compiler."""
    path = folder / "instructions.so"
    warnings = ("-Wall", "-Wextra", "-Werror")
    source = str(HERE / "instructions.c")
    subprocess.run(["gcc", "-std=c11", "-O1", *warnings, "-shared", "-fPIC", source, "-o", str(path)], check=True)
    return path


def counted(host: Host, cases: list[str], set_: InstructionSet) -> int:
    """Of the whole program."""
    done = host.run(int(set_), 1, *cases)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.splitlines()[-1])


def words_of(plan: bytes, slice_: ByteArray, number: int, folder: Path) -> list[str]:
    """For digest.c: the slice so many times."""
    folder.mkdir()
    return words([Slices(plan, np.stack([slice_] * number))], folder)


def main() -> None:
    """Prints a table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counts = plugin(folder)
        plan, slice_ = case(PRESETS["miniseg-83k"]).plan, phantom(1, size=(SIDE, SIDE)).image
        numbers = [words_of(plan, slice_, number, folder / str(number)) for number in (1, 2)]
        for platform, set_, emulator in COUNTED:
            row = platform_named(platform)
            program = built_for(row, folder / platform).host(HERE / "digest.c")
            host = Host(program.path, (*(emulator or starter(row)), "-plugin", str(counts)))
            one, two = (counted(host, cases, set_) for cases in numbers)
            rows.append((platform, set_.name.lower(), f"{(two - one) / 1e6:.1f}"))
    terminal.table(f"One slice of {SIDE} x {SIDE}, one thread", ("", "instruction set", "million instructions"), rows)


if __name__ == "__main__":
    main()
