from pathlib import Path

import pytest
import torch

from miniseg_edge.architecture import PRESETS
from miniseg_edge.bundle.recipe import Pass, Recipe
from miniseg_edge.console.commands import DONE, FAILED
from miniseg_edge.phantoms import phantoms
from miniseg_edge.training import demo
from miniseg_edge.training.checkpoint import checkpoint_from_file
from miniseg_edge.training.data.samples import Sample
from miniseg_edge.training.prediction import scores_of
from miniseg_edge.training.run import CHECKPOINT_NAME


def test_the_shipped_checkpoint_segments_phantoms_that_it_has_not_seen() -> None:
    checkpoint = checkpoint_from_file(demo.CHECKPOINT)
    assert checkpoint.statistics is not None
    assert checkpoint.architecture == PRESETS["miniseg-83k"]
    assert checkpoint.auxiliary
    samples = [Sample(one.name, one.name, one.image, one.mask) for one in phantoms(4, first_seed=8)]
    found = scores_of(checkpoint.network(), samples, checkpoint.statistics, (512, 512))
    assert found.mean_iou >= 0.90
    assert min(found.dice.values()) >= 0.80


def test_the_shipped_checkpoint_is_small() -> None:
    assert demo.CHECKPOINT.stat().st_size < 500_000


def test_nobody_tests_with_training_phantoms() -> None:
    assert demo.FIRST_TRAINING_SEED >= 100 * demo.HELD_OUT_PHANTOMS


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demonstration that takes seconds and learns nothing."""
    monkeypatch.setattr(demo, "RECIPE", Recipe(size=32, passes=(Pass(1.0, 2),), epochs=2, batch_size=2))
    monkeypatch.setattr(demo, "TRAINING_PHANTOMS", 2)
    monkeypatch.setattr(demo, "HELD_OUT_PHANTOMS", 1)


@pytest.mark.usefixtures("short")
def test_the_command_makes_the_same_checkpoint_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--output", str(tmp_path / "first")]) == DONE
    torch.rand(3)  # what the process drew before makes no difference
    assert demo.main(["--output", str(tmp_path / "second")]) == DONE
    one, two = (checkpoint_from_file(tmp_path / name / CHECKPOINT_NAME) for name in ("first", "second"))
    assert one.statistics == two.statistics
    assert all(torch.equal(tensor, two.state[name]) for name, tensor in one.state.items())
    assert one.training is not None
    assert one.training.held_out is not None
    assert (one.training.training.count, one.training.held_out.count) == (2, 1)
    assert "epoch 2/2" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "first" / "held-out" / "masks").iterdir()) == ["phantom-0000.png"]


@pytest.mark.usefixtures("short")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert demo.main(["--output", str(tmp_path / "file" / "demo")]) == FAILED
