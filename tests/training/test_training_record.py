"""What a checkpoint says of its training run goes into the bundle as it is, or the checkpoint is refused."""

import json
from pathlib import Path

import pytest
import torch

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.errors import CheckpointError
from miniseg_edge.export.command import main as export
from miniseg_edge.training.checkpoint import MAX_TRAINING_BYTES, checkpoint_from_file, save_checkpoint
from tests.bundles import TRAINING
from tests.conftest import STATISTICS, random_network

TINY = Architecture((4, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0))


def test_the_record_travels_from_the_training_to_the_bundle(tmp_path: Path) -> None:
    save_checkpoint(random_network(TINY, 3), STATISTICS, tmp_path / "run.pth", TRAINING)
    assert checkpoint_from_file(tmp_path / "run.pth").training == TRAINING
    words = ["--target", "onnx", "--input-size", "32", "32", "--output", str(tmp_path / "run")]
    assert export([str(tmp_path / "run.pth"), *words]) == 0
    assert open_bundle(tmp_path / "run").manifest.checkpoint.training == TRAINING


def test_a_checkpoint_need_not_have_one(tiny_checkpoint_path: Path) -> None:
    assert checkpoint_from_file(tiny_checkpoint_path).training is None


def edited(**fields: object) -> str:
    return json.dumps({**json.loads(json_from_record(TRAINING)), **fields})


HOSTILE: dict[str, object] = {
    "a tensor": torch.zeros(3),
    "a mapping": {"seed": 7},
    "no JSON": "seed 7",
    "no object": "[7]",
    "not a number": edited(duration_s=1).replace('"duration_s": 1', '"duration_s": NaN'),
    "a flood": edited(network="x" * MAX_TRAINING_BYTES),
    "a deep nest": "[" * 100 + "]" * 100,
    "an unknown field": edited(more=1),
    "a wrong type": edited(seed="7"),
    "figures that no recipe has": edited(recipe={**json.loads(json_from_record(TRAINING.recipe)), "epochs": 0}),
    "a broken surrogate": edited().replace("miniseg-83k", "\ud800"),
}


@pytest.mark.parametrize("training", HOSTILE.values(), ids=HOSTILE)
def test_a_record_that_is_none_is_refused(training: object, tmp_path: Path) -> None:
    state = random_network(TINY, 3).state_dict()
    torch.save({"state_dict": state, "training": training}, tmp_path / "hostile.pth")
    with pytest.raises(CheckpointError):
        checkpoint_from_file(tmp_path / "hostile.pth")
