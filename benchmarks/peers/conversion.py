"""A process that runs vendors' converters as functions: they write to standard output, and may crash."""

import os
from pathlib import Path

from miniseg_edge.benchmarks.peers.extra import EXTRA
from miniseg_edge.host.dependencies import require
from miniseg_edge.measuring.child import serve


class Worker:
    """The commands of the process."""

    def mnn(self, source: str, target: str) -> bool:
        """ONNX to MNN's format; returns whether the converter reports success.

        `mnnconvert` itself, without the wrapper script, which would report its use and install a package for that.
        """
        os.chdir(Path(target).parent)  # where it keeps a temporary file
        words = ["mnnconvert", "-f", "ONNX", "--modelFile", source, "--MNNModel", target, "--bizCode", "MNN"]
        return bool(require("_tools", EXTRA).mnnconvert(words))


def main() -> None:
    """Serves commands until standard input ends."""
    serve(Worker())
