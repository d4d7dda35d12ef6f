"""A small MiniSeg whose weights are the same on every machine and in every version, and its graphs."""

import math
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.manifest import Manifest
from miniseg_edge.export.artifacts import onnx_of
from miniseg_edge.export.graph.deployment_graph import Feeding, graph_from_checkpoint
from miniseg_edge.export.graph.forms import Form
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.slices.preprocessing import Window
from miniseg_edge.tensors import HU, GraphInterface
from miniseg_edge.training.checkpoint import checkpoint_from_file, save_checkpoint
from miniseg_edge.training.networks.miniseg import MiniSeg
from tests.bundles import small_manifest
from tests.conftest import STATISTICS

SIZE = (64, 64)
WINDOW = Window(-1250.0, 250.0)


@cache
def network(classes: int = 2) -> MiniSeg:
    """Every kind of layer once or twice, weights drawn by Python's generator."""
    found = MiniSeg(Architecture((8, 24, 32, 32), (1, 1, 1, 1), (1, 1, 1, 1), classes=classes), auxiliary=False)
    generator = random.Random(22)
    with torch.no_grad():
        for name, values in found.state_dict().items():
            if values.dtype == torch.float32:
                drawn = torch.tensor([generator.random() - 0.5 for _ in range(values.numel())]).reshape(values.shape)
                if name.endswith("running_var") or (values.ndim == 1 and name.endswith("weight")):
                    values.copy_(1 + drawn)
                else:
                    values.copy_(drawn * 2 / math.sqrt(values[0].numel() if values.ndim > 1 else 4))
    return found.eval()


def manifest(size: tuple[int, int] = SIZE, interface: GraphInterface | None = None, classes: int = 2) -> Manifest:
    """Of a bundle of the network, as far as building needs it."""
    found, interface = small_manifest(), interface or GraphInterface()
    preprocessing = replace(found.preprocessing, size=size, statistics=STATISTICS, window=WINDOW)
    return replace(
        found,
        preprocessing=preprocessing,
        interface=interface,
        input=interface.input(size),
        output=interface.output(size, classes),
    )


@cache
def graph(
    form: Form, size: tuple[int, int] = SIZE, interface: GraphInterface | None = None, classes: int = 2
) -> OnnxModel:
    """The network's deployment graph in FP32."""
    interface = interface or GraphInterface()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "small.pth"
        save_checkpoint(network(classes), STATISTICS, path)
        feeding = Feeding(STATISTICS, interface, WINDOW if interface.values == HU else None)
        deployed = graph_from_checkpoint(checkpoint_from_file(path), feeding)
    return onnx_of(deployed, manifest(size, interface, classes), form)[0]
