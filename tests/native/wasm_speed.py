"""How long a slice takes in Node, beside the library on one thread, in turns, and whether the masks are the same.

    python -m tests.native.wasm_speed BUNDLE build/wasm/miniseg.wasm SLICES [ROUNDS]

The slices are PNGs of one size; the bundle has a native plan for two classes. It asserts nothing.
"""

import gzip
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.native.binding import Context, Model
from miniseg_edge.slices.images import slice_from_bytes
from tests.native.programs.wasm import InNode

NEAR_TIE = 1e-3


def native_milliseconds(context: Context, slices: npt.NDArray[np.uint8]) -> list[float]:
    found = []
    for slice_ in slices:
        begun = time.perf_counter()
        context.logits(slice_)
        found.append(1e3 * (time.perf_counter() - begun))
    return found


def main(bundle: str, module: str, folder: str, rounds: str = "10") -> None:
    plan = open_bundle(bundle).contents["native/model.miniseg"]
    slices = np.stack([slice_from_bytes(path.read_bytes(), path.name) for path in sorted(Path(folder).glob("*.png"))])
    data = Path(module).read_bytes()
    ours, theirs = [], []
    with (
        tempfile.TemporaryDirectory() as temporary,
        Model(plan) as model,
        model.context(slices.shape[1:], 1) as context,
    ):
        node = InNode(Path(module), Path(temporary))
        for _ in range(int(rounds)):
            ours.append(statistics.median(native_milliseconds(context, slices)))
            theirs.append(statistics.median(node.milliseconds(plan, slices)))
        expected = np.stack([context.logits(slice_)[0] for slice_ in slices])
        found = node.logits(plan, slices)
        exact = node.logits(plan, slices[:1], 1)
    changed = (found > 0) != (expected > 0)
    ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
    flips = int((np.abs(expected[changed]) >= NEAR_TIE).sum())
    for line in (
        f"module: {len(data):,} bytes, {len(gzip.compress(data, 9)):,} with gzip",
        f"slices: {len(slices)}; changed pixels: {int(changed.sum())}, of which no near-ties: {flips}",
        f"largest difference of logits: {np.abs(found - expected).max():.2g}",
        f"bits equal: {found.tobytes() == expected.tobytes()}",
        f"bits equal with the plain set: {exact.tobytes() == expected[:1].tobytes()}",
        f"native, one thread: least {min(ours):.1f} ms, median {statistics.median(ours):.1f} ms",
        f"WebAssembly in Node: least {min(theirs):.1f} ms, median {statistics.median(theirs):.1f} ms",
        f"times as long: {statistics.median(ratios):.1f} ({min(ratios):.1f}..{max(ratios):.1f})",
    ):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
