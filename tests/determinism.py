"""Whether a slice gives the same bits under all circumstances: one table for all artefacts of a bundle.

`python -m tests.determinism BUNDLE` draws phantoms with every artefact under every circumstance and compares the logits
with those that it drew first. With RUNTIME PRECISION FILE CIRCUMSTANCE... behind it, it is one of the processes for
that.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import miniseg_edge
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.console import terminal
from miniseg_edge.parity.metrics import dice
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.backends.registry import registry
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, mask_from_logits

SLICES, FIRST_SEED = 6, 9100
REFUSED = 3
"""Exit code of a process that cannot open the artefact; it says the error's code."""

Logits = list[FloatArray]
Drawing = Callable[[Segmenter, list[ByteArray]], Logits]


def one_by_one(segmenter: Segmenter, slices: list[ByteArray]) -> Logits:
    return [segmenter.segment(slice_).logit_maps for slice_ in slices]


def third_run(segmenter: Segmenter, slices: list[ByteArray]) -> Logits:
    one_by_one(segmenter, slices)
    one_by_one(segmenter, slices[::-1])
    return one_by_one(segmenter, slices)


def four_callers(segmenter: Segmenter, slices: list[ByteArray]) -> Logits:
    """Every slice from four threads at once; where they disagree, the last one's."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda slice_: segmenter.segment(slice_).logit_maps, slices * 4))
    turns = [found[i : i + len(slices)] for i in range(0, len(found), len(slices))]
    return next((turn for turn in turns if not _equal(turn, turns[-1])), turns[-1])


def end_of_a_volume(segmenter: Segmenter, slices: list[ByteArray]) -> Logits:
    """In a volume, several slices in flight, in the opposite order."""
    return [result.logit_maps for result in segmenter.segment_many(slices[::-1])][::-1]


def in_a_batch(segmenter: Segmenter, slices: list[ByteArray]) -> Logits:
    """All in one call of the engine."""
    batch = np.concatenate([segmenter.prepare(slice_).network_input for slice_ in slices])
    return list(np.asarray(segmenter.runtime.infer(batch), np.float32))


HERE: dict[str, Drawing] = {
    "once": one_by_one,
    "third run": third_run,
    "4 callers": four_callers,
    "place in a volume": end_of_a_volume,
    "place in a batch": in_a_batch,
}
"""Circumstances within one process."""

ONE_THREAD = "1 engine thread"


@dataclass(frozen=True)
class Process:
    """What a process of its own runs on.

    Attributes:
        isa: the instructions that oneDNN is held to, "" for all.
        emulated: the processor that QEMU emulates for it, "" for the one at hand.
    """

    isa: str = ""
    emulated: str = ""


PROCESSES = {
    "another process": Process(),
    "AVX2": Process("AVX2"),
    "AVX2 with VNNI": Process("AVX2_VNNI"),
    "AVX-512": Process("AVX512_CORE"),
    "AVX-512 with VNNI": Process("AVX512_CORE_VNNI"),
}
"""Circumstances of a process of its own."""

EMULATED = {
    "SSE4.2, emulated": Process(emulated="Nehalem"),
    "AVX, emulated": Process(emulated="SandyBridge"),
    "AVX2, emulated": Process(emulated="Haswell"),
}
"""The same on a processor that is not there; some hundred times slower, and so for small slices."""

QEMU, EMULATED_SIDE = "qemu-x86_64", 64

ISA_SWITCH, SWITCHED = "ONEDNN_MAX_CPU_ISA", ("openvino", "torch")
"""What holds which runtimes to fewer instructions; the others look at the processor alone."""


@dataclass(frozen=True)
class Difference:
    """Between the logits of two processes: the largest, and what it does to the masks."""

    largest: float
    changed_pixels: int
    worst_dice: float

    def __str__(self) -> str:
        if not self.largest:
            return "same bits"
        return f"{self.largest:.1e}, {self.changed_pixels} px, Dice {self.worst_dice:.4f}"


def difference(found: Logits, first: Logits) -> Difference:
    """Of the same slices' logits."""
    masks = [(mask_from_logits(a), mask_from_logits(b)) for a, b in zip(found, first, strict=True)]
    return Difference(
        max(float(np.abs(a - b).max()) for a, b in zip(found, first, strict=True)),
        sum(int((a != b).sum()) for a, b in masks),
        min(dice(a, b) for a, b in masks),
    )


def artifacts(bundle_path: Path) -> Iterator[tuple[str, str]]:
    """(runtime, precision) of all that runs here, the reference too."""
    bundle = open_bundle(bundle_path)
    for entry in registry():
        if entry.obstacle(bundle) is None:
            found = [a.precision for a in bundle.manifest.artifacts if a.target == entry.target]
            yield from ((entry.name, precision) for precision in (["fp32"] if entry.reference else found))


def drawn(
    bundle: Path, runtime: str, precision: str, names: Sequence[str], process: Process | None = None
) -> dict[str, Logits] | str:
    """What a process of its own draws under each of the circumstances `names`, or why it cannot."""
    process = process or Process()
    if process.isa and runtime not in SWITCHED:
        return "no switch"
    if process.emulated and (runtime == "torch" or shutil.which(QEMU) is None):
        return "not tried" if runtime == "torch" else "no QEMU"
    emulator = [QEMU, "-cpu", process.emulated] if process.emulated else []
    complaints = subprocess.PIPE if emulator else None  # QEMU's, of what it does not emulate
    held = {ISA_SWITCH: process.isa} if process.isa else {}
    with tempfile.TemporaryDirectory() as folder:
        file, root = Path(folder) / "logits.npz", Path(__file__).parents[1]
        command = [*emulator, sys.executable, "-m", "tests.determinism"]
        command += [str(bundle), runtime, precision, str(file), *names]
        known = {**os.environ, **held}
        run = subprocess.run(
            command, cwd=root, env=known, check=False, stdout=subprocess.PIPE, stderr=complaints, text=True
        )
        if run.returncode == REFUSED:
            return f"refused: {run.stdout.strip()}"
        assert run.returncode == 0, f"{runtime} {precision}, {process}: exit code {run.returncode}, {run.stderr}"
        with np.load(file) as saved:
            return {name: [np.asarray(saved[f"{name} {i}"], np.float32) for i in range(SLICES)] for name in names}


def differences(
    bundle: Path, runtime: str, precision: str, processes: Sequence[str] = tuple(PROCESSES)
) -> dict[str, Difference | str]:
    """What each circumstance does to the logits, or why it cannot be tried."""
    batches = open_bundle(bundle).manifest.interface.dynamic_batch
    here = [name for name in (*HERE, ONE_THREAD) if batches or HERE.get(name) is not in_a_batch]
    found = drawn(bundle, runtime, precision, here)
    if isinstance(found, str):
        return dict.fromkeys((*HERE, ONE_THREAD, *processes), found)
    once = found["once"]
    told: dict[str, Difference | str] = {name: difference(logits, once) for name, logits in found.items()}
    for name in processes:
        there = drawn(bundle, runtime, precision, ["once"], {**PROCESSES, **EMULATED}[name])
        told[name] = there if isinstance(there, str) else difference(there["once"], once)
    return told


def _draw(bundle: str, runtime: str, precision: str, file: str, names: Sequence[str]) -> int:
    """A process: every circumstance on an engine of its own."""
    found: dict[str, FloatArray] = {}
    for name in names:
        try:
            segmenter = miniseg_edge.load(
                bundle, runtime, threads=1 if name == ONE_THREAD else None, precision=precision
            )
        except miniseg_edge.MiniSegError as error:
            sys.stdout.write(error.code)
            return REFUSED
        with segmenter:
            size = segmenter.bundle.manifest.preprocessing.size
            slices = [phantom(seed, size=size).image for seed in range(FIRST_SEED, FIRST_SEED + SLICES)]
            logits = HERE.get(name, one_by_one)(segmenter, slices)
        found |= {f"{name} {index}": maps for index, maps in enumerate(logits)}
    np.savez(file, **found)  # type: ignore[arg-type]
    return 0


def _equal(some: Logits, others: Logits) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


def main() -> int:
    if len(sys.argv) > 2:
        bundle_path, runtime, precision, file, *names = sys.argv[1:]
        return _draw(bundle_path, runtime, precision, file, names)
    bundle = Path(sys.argv[1])
    kinds = list(artifacts(bundle))
    height, width = open_bundle(bundle).manifest.preprocessing.size
    processes = (*PROCESSES, *(EMULATED if max(height, width) <= EMULATED_SIDE else ()))
    told = [differences(bundle, *kind, processes) for kind in terminal.track(kinds, "drawing")]
    rows = [(name, *(str(cells.get(name, "no batches")) for cells in told)) for name in (*HERE, ONE_THREAD, *processes)]
    terminal.table("The logits of 6 phantoms", ("", *(" ".join(kind) for kind in kinds)), rows[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
