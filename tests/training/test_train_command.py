"""`miniseg-train` as people run it: on folders, killed and run again, with every way to validate."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from miniseg_edge.bundle.recipe import Pass
from miniseg_edge.console.commands import DONE, FAILED, USAGE
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import write_png
from miniseg_edge.slices.preprocessing import Window
from miniseg_edge.training.checkpoint import checkpoint_from_file
from miniseg_edge.training.command import main
from miniseg_edge.training.demo import CHECKPOINT
from miniseg_edge.training.state import STATE_NAME
from tests.networks import TINY_UNET

COUNT = 10


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed in range(COUNT):
        drawn = phantom(seed, (48 + 2 * seed, 64))  # unequal sizes
        write_png(folder / "images" / f"p{seed // 2}_{seed}.png", drawn.image)
        write_png(folder / "masks" / f"p{seed // 2}_{seed}.png", drawn.mask * 255)
    return folder


def arguments(data: Path, output: Path, *more: str) -> list[str]:
    short = ("--size", "32", "--scales", "1.25", "1", "--batch-size", "4", "--device", "cpu")
    where = ("--images", str(data / "images"), "--masks", str(data / "masks"), "--output", str(output))
    return [*where, *short, *more]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(checkpoint_from_file(path).state)


def equal(one: Path, other: Path) -> bool:
    pairs = zip(weights(one).values(), weights(other).values(), strict=True)
    return all(torch.equal(mine, theirs) for mine, theirs in pairs)


def test_a_checkpoint_needs_nothing_else(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(data, tmp_path / "out", "--epochs", "2", "--group-by", "^(p[0-9]+)_")) == DONE
    shown = capsys.readouterr().out
    assert "epoch 2/2" in shown
    assert "mIoU" in shown
    checkpoint = checkpoint_from_file(tmp_path / "out" / "checkpoint.pth")
    record = checkpoint.training
    assert checkpoint.statistics is not None
    assert record is not None
    assert (record.network, record.seed, record.device, record.window) == ("miniseg-83k", 0, "cpu", None)
    assert record.recipe.passes == (Pass(1.25, 3), Pass(1.0, 1))
    assert record.held_out is not None
    assert (record.training.groups, record.training.count) == (4, 8)
    assert (record.held_out.groups, record.held_out.count) == (1, 2)
    assert (record.selection.epoch, record.selection.rule) == (2, "last")
    history = json.loads((tmp_path / "out" / "history.json").read_text())
    assert [entry["epoch"] for entry in history["entries"]] == [1, 2]
    assert history["entries"][-1]["mean_iou"] == record.selection.mean_iou
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"checkpoint.pth", "curves.png", "history.json"}


def test_a_training_that_is_done_is_found_done_and_another_one_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(arguments(data, output, "--epochs", "1")) == DONE
    before = (output / "checkpoint.pth").read_bytes()
    assert main(arguments(data, output, "--epochs", "1")) == DONE
    assert "done already" in capsys.readouterr().out
    assert main(arguments(data, output, "--epochs", "1", "--seed", "1")) == FAILED
    assert "OUTPUT_EXISTS" in capsys.readouterr().err
    assert (output / "checkpoint.pth").read_bytes() == before
    assert main(arguments(data, output, "--epochs", "1", "--seed", "1", "--overwrite")) == DONE
    assert (output / "checkpoint.pth").read_bytes() != before


def test_folds_hold_out_every_slice_once(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(data, tmp_path / "out", "--epochs", "1", "--folds", "2")) == DONE
    records = [checkpoint_from_file(tmp_path / "out" / f"fold{n}" / "checkpoint.pth").training for n in (1, 2)]
    assert [record.held_out.count for record in records if record and record.held_out] == [5, 5]
    assert "Held-out mIoU" in capsys.readouterr().out


@pytest.mark.slow
def test_the_best_epoch_is_kept_where_that_was_asked_for(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(arguments(data, output, "--epochs", "4", "--select", "best", "--learning-rate", "0.05")) == DONE
    entries = json.loads((output / "history.json").read_text())["entries"]
    record = checkpoint_from_file(output / "checkpoint.pth").training
    assert record is not None
    assert record.selection.mean_iou == max(entry["mean_iou"] for entry in entries)
    assert "optimistic" in capsys.readouterr().err
    shorter = tmp_path / "shorter"
    assert main(arguments(data, shorter, "--epochs", "4", "--learning-rate", "0.05")) == DONE
    assert equal(output / "checkpoint.pth", shorter / "checkpoint.pth") == (record.selection.epoch == 4)


@pytest.mark.slow
def test_other_ways_to_validate(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ("--validation", str(data / "images"), "--validation-masks", str(data / "masks"))
    assert main(arguments(data, tmp_path / "said", "--epochs", "1", *said)) == DONE
    assert "also trained on" in capsys.readouterr().err  # the same slices: worth a warning
    assert main(arguments(data, tmp_path / "all", "--epochs", "1", "--on-all")) == DONE
    record = checkpoint_from_file(tmp_path / "all" / "checkpoint.pth").training
    assert record is not None
    assert (record.training.count, record.held_out, record.selection.mean_iou) == (COUNT, None, None)


@pytest.mark.parametrize(
    "more",
    [
        ("--on-all", "--folds", "2"),
        ("--on-all", "--select", "best"),
        ("--validation", "somewhere"),
        ("--folds", "99"),
        ("--label", "1"),
        ("--epochs", "0"),
        ("--batch-size", "99"),
        ("--device", "cuda:99"),
        ("--seed", "-1"),
        ("--network", "no-such"),
        ("--group-by", "("),
    ],
)
def test_what_makes_no_sense_is_refused(data: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    assert main(arguments(data, tmp_path / "out", "--epochs", "1", *more)) == USAGE
    assert not (tmp_path / "out").exists()


def test_a_pass_that_the_network_cannot_take_is_refused_before_any_work(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = arguments(data, tmp_path / "out", "--epochs", "1", "--network", TINY_UNET, "--scales", "1", "0.72")
    assert main(command) == USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert "slices of 23 x 23" in said
    assert "multiples of 2, such as 24, got --size 32 at scale 0.72" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_begins_from_a_checkpoint(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = ("--epochs", "1", "--learning-rate", "1e-30", "--init", str(CHECKPOINT))
    assert main(arguments(data, tmp_path / "two", *still)) == DONE
    first, begun = checkpoint_from_file(tmp_path / "two" / "checkpoint.pth"), checkpoint_from_file(CHECKPOINT)
    assert first.training is not None
    assert first.training.initial is not None
    assert first.training.initial.sha256 == begun.sha256
    kept = [name for name, tensor in begun.state.items() if name.endswith("conv.weight")]
    assert all(torch.allclose(first.state[name], begun.state[name], atol=1e-6) for name in kept)
    assert main(arguments(data, tmp_path / "three", *still, "--label", "255=1", "--label", "254=2")) == DONE
    assert "initialised" in capsys.readouterr().err
    assert checkpoint_from_file(tmp_path / "three" / "checkpoint.pth").identity.classes == 3


@pytest.mark.slow
def test_studies_are_seen_through_the_window(tmp_path: Path) -> None:
    import nibabel

    for folder, kind in (("images", np.int16), ("masks", np.uint8)):
        (tmp_path / folder).mkdir()
        for case in range(2):
            drawn = [phantom(seed + 10 * case, (48, 48)) for seed in range(4)]
            stack = np.stack([one.mask if folder == "masks" else one.image * 4.0 - 900 for one in drawn])
            image = nibabel.Nifti1Image(stack.transpose(2, 1, 0).astype(kind), np.diag([-1.0, -1.0, 2.0, 1.0]))
            nibabel.save(image, tmp_path / folder / f"patient{case}.nii.gz")
    more = ("--epochs", "1", "--window", "-1000", "200", "--separate-channels", "--folds", "2")
    assert main(arguments(tmp_path, tmp_path / "out", *more)) == DONE
    record = checkpoint_from_file(tmp_path / "out" / "fold1" / "checkpoint.pth").training
    assert record is not None
    assert (record.window, record.separate_channels) == (Window(-1000, 200), True)
    assert (record.training.count, record.training.groups) == (4, 1)


def _killed(command: list[str], state: Path, chance: random.Random) -> bool:
    """Whether it was killed, at some moment after it kept a few epochs: what it did counts, not how fast it was."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kept, last = chance.randint(3, 7), _written(state)
    while kept and process.poll() is None:
        time.sleep(0.002)
        if (now := _written(state)) != last:
            kept, last = kept - 1, now
    time.sleep(chance.uniform(0, 0.1))
    process.kill()
    assert process.wait() in {0, -signal.SIGKILL}
    return process.returncode != 0


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    more = ("--epochs", "16", "--select", "best")
    whole = tmp_path / "whole" / "checkpoint.pth"
    command = [sys.executable, "-m", "miniseg_edge.training.command"]
    subprocess.run([*command, *arguments(data, whole.parent, *more)], check=True, capture_output=True)
    output, chance, kills = tmp_path / "killed", random.Random(0), 0
    while _killed([*command, *arguments(data, output, *more)], output / STATE_NAME, chance):
        kills += 1
        assert kills < 40, "it never got to its end"
        assert not (output / "checkpoint.pth").exists() or checkpoint_from_file(output / "checkpoint.pth")
    assert kills > 0
    assert equal(whole, output / "checkpoint.pth")
    one, two = (checkpoint_from_file(path).training for path in (whole, output / "checkpoint.pth"))
    assert one is not None
    assert two is not None
    assert one.selection == two.selection


def test_a_state_that_is_broken_or_of_another_training(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "state.pt").write_bytes(b"nothing")
    assert main(arguments(data, output, "--epochs", "1")) == FAILED
    assert "contains another training" in capsys.readouterr().err
    assert main(arguments(data, output, "--epochs", "1", "--overwrite")) == DONE
    assert not (output / "state.pt").exists()
