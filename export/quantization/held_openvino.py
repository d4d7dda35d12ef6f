"""A process that runs an artefact on slices, held to the instruction set that its environment names."""

import numpy as np

import miniseg_edge
from miniseg_edge.measuring.child import serve


class Worker:
    """The commands of the process."""

    def run(self, bundle: str, slices: str, logits: str) -> None:
        """Writes the logit maps, (N, C - 1, H, W) float32, of a file of slices as the graph takes them."""
        with miniseg_edge.load(bundle, "openvino", "cpu") as segmenter:
            given = [segmenter.runtime.infer(value[None]) for value in np.load(slices, allow_pickle=False)]
        np.save(logits, np.concatenate(given))


def main() -> None:
    """Serves commands until standard input ends."""
    serve(Worker())
