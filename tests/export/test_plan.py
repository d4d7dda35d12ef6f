from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.recipe import Pass, Recipe
from miniseg_edge.errors import UsageError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.plan import ExportPlan, planned
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.slices.preprocessing import Window
from miniseg_edge.training.checkpoint import checkpoint_from_file, save_checkpoint
from tests.bundles import TRAINING
from tests.conftest import STATISTICS, random_network

RECORD = replace(TRAINING, recipe=Recipe(size=32, passes=(Pass(1.0, 2),)), separate_channels=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    network = random_network(Architecture((4, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0)), 3)
    save_checkpoint(network, STATISTICS, tmp_path / "trained.pth", RECORD)
    return tmp_path / "trained.pth"


def plan_of(request: ExportRequest) -> ExportPlan:
    return planned(request, checkpoint_from_file(request.checkpoint), request.builds)


def test_a_trained_checkpoint_needs_nothing_else(path: Path, tmp_path: Path) -> None:
    bundle = export_bundle(ExportRequest(path, tmp_path / "out", ("onnx",))).bundle
    assert bundle is not None
    manifest = bundle.manifest
    assert manifest.preprocessing.size == (32, 32)
    assert manifest.preprocessing.window == TRAINING.window
    assert manifest.preprocessing.statistics == STATISTICS
    assert manifest.interface.channels == 3
    assert manifest.checkpoint.training == RECORD


def test_what_was_said_goes_before(path: Path, tmp_path: Path) -> None:
    said = ExportRequest(path, tmp_path / "out", ("onnx",), size=(64, 48), window=Window(-1000, 0))
    found = plan_of(said)
    assert (found.size, found.preprocessing.window) == (said.size, said.window)


def test_other_checkpoints_change_nothing(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    request = ExportRequest(tiny_checkpoint_path, tmp_path / "out", ("onnx",))
    found = plan_of(request)
    assert (found.size, found.preprocessing.window, found.interface) == ((512, 512), None, request.interface(3))
    assert found.builds == request.builds


def test_a_graph_that_takes_hu_has_the_window_it_was_trained_with(
    path: Path, tiny_checkpoint_path: Path, tmp_path: Path
) -> None:
    asked = ExportRequest(path, tmp_path / "out", ("onnx",), values="hu")
    assert plan_of(asked).preprocessing.window == TRAINING.window
    with pytest.raises(
        UsageError, match="needs a window; expected --window LOW HIGH, got none here or in the checkpoint"
    ):
        plan_of(replace(asked, checkpoint=tiny_checkpoint_path))
