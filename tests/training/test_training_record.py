"""What a checkpoint says of its training run goes into the bundle as it is, or the checkpoint is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle import open_bundle
from miniseg_edge.errors import CheckpointError
from miniseg_edge.export.command import main as export
from miniseg_edge.training.checkpoint import MAX_TRAINING_BYTES, checkpoint_from_file, save_checkpoint
from tests.conftest import STATISTICS, random_network

TINY = Architecture((4, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0))
RUN = {"seed": 7, "epochs": 80, "recipe": {"lr": 1e-3, "passes": [1.5, 1.25, 0.75, 1]}, "slices": ["a" * 64, "b" * 64]}


def test_the_record_travels_from_the_training_to_the_bundle(tmp_path: Path) -> None:
    save_checkpoint(random_network(TINY, 3), STATISTICS, tmp_path / "run.pth", RUN)
    assert checkpoint_from_file(tmp_path / "run.pth").training == RUN
    words = ["--target", "onnx", "--input-size", "32", "32", "--output", str(tmp_path / "run")]
    assert export([str(tmp_path / "run.pth"), *words]) == 0
    assert open_bundle(tmp_path / "run").manifest.checkpoint.training == RUN


def test_a_checkpoint_need_not_have_one(tiny_checkpoint_path: Path) -> None:
    assert checkpoint_from_file(tiny_checkpoint_path).training is None


def nested(depth: int) -> object:
    found: object = 0
    for _ in range(depth):
        found = [found]
    return found


def loop() -> dict[str, object]:
    """A mapping that holds itself, as a pickle may."""
    found: dict[str, object] = {}
    found["self"] = found
    return found


HOSTILE: dict[str, Any] = {
    "a tensor": {"slices": torch.zeros(3)},
    "not a number": {"loss": float("nan")},
    "no object": ["seed", 7],
    "a flood": {"log": "x" * MAX_TRAINING_BYTES},
    "bytes": {"log": b"x"},
    "a deep nest": {"log": nested(100)},
    "a loop": loop(),
    "a key that is no text": {(1, 2): 3},
}


@pytest.mark.parametrize("training", HOSTILE.values(), ids=HOSTILE)
def test_a_record_that_is_no_plain_json_is_refused(training: object, tmp_path: Path) -> None:
    state = random_network(TINY, 3).state_dict()
    torch.save({"state_dict": state, "training": training}, tmp_path / "hostile.pth")
    with pytest.raises(CheckpointError):
        checkpoint_from_file(tmp_path / "hostile.pth")
