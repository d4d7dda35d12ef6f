"""A process that runs converters of vendors as functions: they write on standard output, and may die."""

import os
from pathlib import Path

from miniseg_edge.benchmarks.peers.extra import EXTRA
from miniseg_edge.host.dependencies import require
from miniseg_edge.measuring.child import serve


class Worker:
    """The commands of the process."""

    def mnn(self, source: str, target: str) -> bool:
        """ONNX to MNN's format; whether the converter says that it is done.

        `mnnconvert` itself, without the script around it, which would report its use and install what it reports with.
        """
        os.chdir(Path(target).parent)  # where it keeps a file meanwhile
        words = ["mnnconvert", "-f", "ONNX", "--modelFile", source, "--MNNModel", target, "--bizCode", "MNN"]
        return bool(require("_tools", EXTRA).mnnconvert(words))


def main() -> None:
    """Serves commands until standard input ends."""
    serve(Worker())
