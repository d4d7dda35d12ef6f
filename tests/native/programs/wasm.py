"""The WebAssembly module for tests: built once, and run in Node."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from miniseg_edge.native.build import BuildError, zig
from miniseg_edge.native.wasm import MODULE, build_wasm
from tests.conftest import made_once
from tests.examples import EXAMPLES

NODE = shutil.which("node") or shutil.which("nodejs")

needs_node = pytest.mark.skipif(NODE is None, reason="no Node on the PATH (Debian: apt-get install nodejs)")

SIMD128 = 5
"""`miniseg_set`; no library for Python has it."""


def built_module(temporary: pytest.TempPathFactory) -> Path:
    """Built once in a run of the tests."""
    try:
        zig()
    except BuildError:
        pytest.skip("needs the package ziglang")
    return made_once(temporary, "wasm", build_wasm) / MODULE


@dataclass(frozen=True)
class InNode:
    """The module, run in a process of Node for each call; files go through `folder`."""

    module: Path
    folder: Path

    def _ran(self, plan: bytes, slices: npt.NDArray[np.uint8], set_: int) -> subprocess.CompletedProcess[str]:
        assert NODE is not None
        (self.folder / "plan").write_bytes(plan)
        (self.folder / "pixels").write_bytes(slices.tobytes())
        engine, runner = EXAMPLES / "browser" / "miniseg.js", Path(__file__).with_name("wasm.js")
        words = [engine, self.module, self.folder / "plan", set_, *slices.shape[1:], self.folder / "pixels"]
        command = [NODE, str(runner), *map(str, words), str(self.folder / "logits")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def run(self, plan: bytes, slices: npt.NDArray[np.uint8], set_: int = 0) -> tuple[int, str]:
        """Slices (N, H, W) through a plan; exit code and what is said on standard error."""
        done = self._ran(plan, slices, set_)
        return done.returncode, done.stderr

    def milliseconds(self, plan: bytes, slices: npt.NDArray[np.uint8]) -> list[float]:
        """Of each slice."""
        done = self._ran(plan, slices, 0)
        done.check_returncode()
        return [float(line) for line in done.stdout.splitlines()]

    def logits(self, plan: bytes, slices: npt.NDArray[np.uint8], set_: int = 0) -> npt.NDArray[np.float32]:
        """(N, H, W) of a network of two classes."""
        assert self.run(plan, slices, set_) == (0, "")
        return np.fromfile(self.folder / "logits", np.float32).reshape(slices.shape)
