"""The whole graph in every form: the function that `DeploymentGraph` states."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from miniseg_edge.architecture import Architecture
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph, Feeding, graph_from_checkpoint
from miniseg_edge.export.graph.forms import BLOCKED, DIRECT, FORMS, PACKED, PACKED_ROWS, Form
from miniseg_edge.export.graph.onnx_from_graph import onnx_from_graph
from miniseg_edge.export.graph.rewrites.graph import rewritten
from miniseg_edge.slices.images import label_from_file, slice_from_file
from miniseg_edge.slices.preprocessing import Statistics, Window
from miniseg_edge.tensors import GraphInterface, TensorSpec
from miniseg_edge.training.checkpoint import checkpoint_from_file
from miniseg_edge.training.networks.miniseg import MiniSeg
from tests.conftest import random_network
from tests.export.graph.rewrites.random_parts import assert_equal

FEEDING = Feeding(Statistics(0.6, 0.3))
ARCHITECTURES = {
    "published": Architecture(),
    "three classes, one channel": Architecture((4, 8, 12, 16), (1, 2, 1, 2), (0, 1, 1, 1), classes=3, in_channels=1),
    "no blocks": Architecture((3, 4, 8, 4), (0, 0, 0, 0), (0, 0, 0, 0)),
    "long as main": Architecture((8, 8, 8, 8), (1, 1, 2, 1), (1, 1, 2, 1)),
}
SIZES = ((64, 96), (51, 70), (33, 20), (17, 16))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_equals_the_deployment_graph(architecture: Architecture, form: Form) -> None:
    network = random_network(architecture, 5).double()
    reference = DeploymentGraph(network, FEEDING).eval()
    for size in SIZES:
        slice_ = torch.rand(2, 1, *size, dtype=torch.float64) * 255
        with torch.inference_mode():
            assert_equal(rewritten(network, FEEDING, form, size, torch.float64)(slice_), reference(slice_))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("name", ["published", "three classes, one channel"])
def test_every_interface_is_the_same_function(name: str, form: Form) -> None:
    architecture = ARCHITECTURES[name]
    network, size = random_network(architecture, 9).double(), (48, 64)
    for interface in (
        GraphInterface(values="hu", channels=architecture.in_channels),
        GraphInterface(channels=architecture.in_channels, dynamic_size=True),
    ):
        feeding = Feeding(Statistics(0.6, 0.3), interface, Window(-1250.0, 250.0))
        reference = DeploymentGraph(network, feeding).eval()
        graph = rewritten(network, feeding, form, size, torch.float64)
        for height, width in (size, (51, 70)) if interface.dynamic_size else (size,):
            slice_ = torch.rand(2, interface.channels, height, width, dtype=torch.float64) * 255
            with torch.inference_mode():
                assert_equal(graph(slice_), reference(slice_))


def test_hu_reach_the_network_through_the_window() -> None:
    network = random_network(ARCHITECTURES["no blocks"], 4).double()
    feeding = Feeding(Statistics(0.6, 0.3), GraphInterface(values="hu"), Window(-1250.0, 250.0))
    hu = torch.rand(1, 1, 32, 32, dtype=torch.float64) * 4000 - 2000
    grey = ((hu + 1250) / 1500).clamp(0, 1) * 255
    with torch.inference_mode():
        expected = DeploymentGraph(network, FEEDING).eval()(grey)
        assert_equal(rewritten(network, feeding, PACKED, (32, 32), torch.float64)(hu), expected)
    with pytest.raises(ValueError, match="window"):
        Feeding(Statistics(0.6, 0.3), GraphInterface(values="hu"))


def test_steep_slopes_are_no_obstacle() -> None:
    network = random_network(ARCHITECTURES["long as main"], 6).double()
    with torch.no_grad():
        network.up1_act.weight.fill_(1.5)
    slice_ = torch.rand(1, 1, 32, 32, dtype=torch.float64) * 255
    with torch.inference_mode():
        expected = DeploymentGraph(network, FEEDING).eval()(slice_)
        assert_equal(rewritten(network, FEEDING, BLOCKED, (32, 32), torch.float64)(slice_), expected)


def test_leaves_the_network_as_it_was() -> None:
    network = random_network(ARCHITECTURES["no blocks"], 7)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    graph = rewritten(network, FEEDING, PACKED, (32, 32))
    assert not any(parameter.requires_grad for parameter in graph.parameters())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in graph.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("form", [PACKED_ROWS, BLOCKED], ids=lambda form: form.name)
def test_runtimes_compute_the_same(form: Form) -> None:
    onnxruntime, openvino = pytest.importorskip("onnxruntime"), pytest.importorskip("openvino")
    network, size = random_network(ARCHITECTURES["no blocks"], 8), (48, 64)
    graph = rewritten(network, FEEDING, form, size)
    spec = TensorSpec("slice", (1, 1, *size), "float32", ""), TensorSpec("logit", (1, 1, *size), "float32", "")
    data = onnx_from_graph(graph, *spec).data
    slice_ = torch.rand(1, 1, *size) * 255
    with torch.inference_mode():
        expected = graph(slice_).numpy()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"slice": slice_.numpy()})[0], expected, atol=1e-5, rtol=1e-5)
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model=data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(compiled({0: slice_.numpy()})[0], expected, atol=1e-5, rtol=1e-5)


def test_forms_have_names_of_their_own() -> None:
    assert len({form.name for form in FORMS}) == len(FORMS)
    assert {DIRECT, PACKED, PACKED_ROWS, BLOCKED} <= set(FORMS)


@pytest.fixture(scope="module")
def fold(shared: Path) -> tuple[Path, dict[str, list[str]], Statistics]:
    folder = shared / "data" / "ct100"
    described = json.loads((folder / "fold1.json").read_text())
    return folder, described, Statistics(described["mean"], described["std"])


@pytest.mark.slow
@pytest.mark.parametrize("form", [DIRECT, PACKED, PACKED_ROWS, BLOCKED], ids=lambda form: form.name)
def test_the_published_masks_come_out(fold: tuple[Path, dict[str, list[str]], Statistics], form: Form) -> None:
    folder, described, statistics = fold
    reference = graph_from_checkpoint(checkpoint_from_file(folder / "MiniSeg_CrossVal1.pth"), Feeding(statistics))
    assert isinstance(reference.network, MiniSeg)
    graph, differing = rewritten(reference.network, reference.feeding, form, (512, 512)), 0
    for name in described["test"]:
        slice_ = _slice(folder / "images" / f"{name}.png")
        official = label_from_file(folder / "official_masks_fold1" / f"{name}.png", 2)
        with torch.inference_mode():
            mask = (graph(slice_)[0, 0] > 0).numpy()
        differing += int((mask != (official > 0)).sum())
    assert differing <= 1


def _slice(path: Path) -> Tensor:
    """(1, 1, 512, 512): resized as the published evaluation does."""
    import cv2

    grey = slice_from_file(path).astype("float32")
    resized = cv2.resize(grey, (512, 512), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(resized)[None, None]
