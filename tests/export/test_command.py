import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import miniseg_edge
from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.export.command import main
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segment_command import main as segment
from miniseg_edge.slices.images import label_from_file, write_png
from miniseg_edge.training.checkpoint import save_checkpoint
from tests.conftest import STATISTICS, random_network

SMALL = ("--input-size", "32", "32")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_names_the_bundle_after_the_checkpoint(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_checkpoint_path, tmp_path / "lung.v2.pth")
    assert run(tmp_path / "lung.v2.pth", "--target", "onnx", *SMALL) == 0
    assert open_bundle(tmp_path / "lung.v2").manifest.checkpoint.name == "lung.v2.pth"


def test_takes_the_only_checkpoint_in_the_folder_and_says_so(
    tiny_checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(tiny_checkpoint_path, tmp_path / "only.pth")
    monkeypatch.chdir(tmp_path)
    assert run("--target", "onnx", *SMALL) == 0
    assert "taking only.pth" in capsys.readouterr().out
    assert open_bundle("only").manifest.checkpoint.name == "only.pth"
    assert run("--target", "onnx", *SMALL) == 1, "the bundle is already registered"


@pytest.mark.parametrize("names", [(), ("a.pth", "b.pth")])
def test_no_single_checkpoint_is_a_usage_error(
    names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert run("--target", "onnx") == 2
    assert (", ".join(names) or "none") in capsys.readouterr().err


def test_exit_codes(tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("--output", tmp_path / "out", "--target", "onnx", *SMALL)
    assert run(tiny_checkpoint_path, *out, "--max-logit-difference", "1e-12") == 3
    assert "PARITY" in capsys.readouterr().err
    assert run(tiny_checkpoint_path, *out, "--mean", "0.5") == 2
    assert run(tiny_checkpoint_path, *out, "--mean", "128", "--std", "60") == 1
    assert "Divide statistics of 8-bit slices by 255" in capsys.readouterr().err
    assert run(tiny_checkpoint_path, *out, "--window", "250", "-1250") == 2
    assert run(tiny_checkpoint_path, *out, "--labels", tmp_path) == 2
    assert run(tiny_checkpoint_path, *out, "--validation", tmp_path / "none") == 1
    assert "NO_IMAGES" in capsys.readouterr().err
    with pytest.raises(SystemExit) as exit_:
        run(tiny_checkpoint_path, "--target", "coreml")
    assert exit_.value.code == 2
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_without_statistics_needs_them_said(
    tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(tiny_checkpoint_path, weights_only=True)["state_dict"]
    torch.save(state, tmp_path / "bare.pth")
    assert run(tmp_path / "bare.pth", "--target", "onnx", *SMALL) == 1
    assert "STATISTICS" in capsys.readouterr().err
    assert run(tmp_path / "bare.pth", "--target", "onnx", *SMALL, "--mean", "0.5", "--std", "0.3") == 0
    assert open_bundle(tmp_path / "bare").manifest.preprocessing.statistics_source == "command line"


def test_runs_as_an_installed_command() -> None:
    command = Path(sys.executable).with_name("miniseg-export")
    shown = subprocess.run([command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--target" in shown
    assert "parity failed" in shown


@pytest.mark.slow
def test_a_checkpoint_trained_on_colour_from_the_command_to_the_mask(tmp_path: Path) -> None:
    network = random_network(Architecture((4, 4, 8, 4), (1, 0, 1, 0), (0, 0, 1, 0)), 42)
    save_checkpoint(network, STATISTICS, tmp_path / "colour.pth")
    colour = np.stack([phantom(seed, size=(48, 64)).image for seed in (1, 2, 3)], axis=2)
    write_png(tmp_path / "slices" / "one.png", colour)
    bundle, words = tmp_path / "bundle", ["--window", "-1250", "250", "--input-size", "48", "64"]
    words += ["--separate-channels", "--graph-input", "hu", "--graph-output", "mask", "--dynamic-batch"]
    slices = ["--validation", str(tmp_path / "slices")]
    targets = ["--target", "onnx", "--target", "openvino"]
    assert main([str(tmp_path / "colour.pth"), *targets, *words, *slices, "--output", str(bundle)]) == 0
    assert segment([str(bundle), str(tmp_path / "slices"), "--output", str(tmp_path / "masks")]) == 0
    with miniseg_edge.load(bundle, "torch") as reference:
        expected = reference.segment(colour[..., ::-1].copy()).mask
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(label_from_file(tmp_path / "masks" / "one.png", 2), expected)
