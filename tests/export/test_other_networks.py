"""Networks that are not MiniSeg through the same export, parity gate and runtimes."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle, write_bundle
from miniseg_edge.errors import ExportError, IncompatibleError, UsageError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.verification.command import main as verify
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.checkpoint import save_checkpoint
from miniseg_edge.training.networks import registry
from miniseg_edge.training.networks.registry import build_network
from tests import networks

assert networks  # registers what is exported here

SIZE = (48, 64)


def request(folder: Path, name: str, classes: int = 2) -> ExportRequest:
    save_checkpoint(build_network(name, 3, classes), Statistics(0.55, 0.29), folder / f"{name}.pth")
    return ExportRequest(folder / f"{name}.pth", folder / "bundle", ("onnx", "openvino"), ("fp32",), size=SIZE)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    wanted = request(tmp_path_factory.mktemp("other"), "tests-tiny-unet", classes=3)
    assert all(parity.passed for parity in export_bundle(wanted).parities)
    return open_bundle(wanted.output)


def test_the_bundle_says_what_it_is(bundle: Bundle) -> None:
    network = bundle.manifest.network
    assert (network.name, network.in_channels, network.classes) == ("tests-tiny-unet", 3, 3)
    assert network.architecture is None
    assert network.parameters == sum(p.numel() for p in networks.TinyUNet(3, 3).parameters())
    assert [artifact.form for artifact in bundle.manifest.artifacts] == ["as trained"] * 3
    # conv 3x3 stride 2, transposed 2x2 stride 2, conv 3x3 on 7 channels
    height, width = SIZE
    macs = 3 * 8 * 9 * height * width // 4 + 8 * 4 * height * width + 7 * 3 * 9 * height * width
    assert {artifact.macs for artifact in bundle.manifest.artifacts[1:]} == {macs}


def test_a_network_may_call_its_parts_as_it_likes(tmp_path: Path) -> None:
    """Weights called `location_head` are not data that lies elsewhere."""
    torch.manual_seed(1)  # whose mask holds both classes
    wanted = request(tmp_path, "tests-location")
    assert all(parity.passed for parity in export_bundle(wanted).parities)
    made = open_bundle(wanted.output)
    assert b"location_head" in made.contents["onnx/model.onnx"]
    slice_ = phantom(5, size=SIZE).image
    masks = []
    for runtime in ("torch", "onnxruntime", "openvino"):
        with miniseg_edge.load(wanted.output, runtime) as segmenter:
            masks.append(segmenter.segment(slice_).mask)
    assert 0 < masks[0].mean() < 1
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], masks[2])
    assert verify([str(wanted.output)]) == 0


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch"])
def test_every_runtime_draws_what_torch_draws(bundle: Bundle, runtime: str) -> None:
    slice_ = phantom(5, size=(61, 53)).image
    with miniseg_edge.load(bundle, "torch") as reference, miniseg_edge.load(bundle, runtime) as segmenter:
        expected, found = reference.segment(slice_), segmenter.segment(slice_)
    assert np.array_equal(found.mask, expected.mask)
    np.testing.assert_allclose(found.logit, expected.logit, atol=1e-5)
    assert found.mask.shape == slice_.shape


def test_it_is_verified_like_any_other(bundle: Bundle, tmp_path: Path) -> None:
    write_bundle(bundle, tmp_path / "bundle")
    assert verify([str(tmp_path / "bundle")]) == 0


def test_where_nobody_registers_it_all_but_the_reference_is_verified(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bundle(bundle, tmp_path / "bundle")
    monkeypatch.setattr(registry, "_registered", {})
    assert verify([str(tmp_path / "bundle")]) == 0
    assert "not checked: torch fp32: INCOMPATIBLE: the network is unknown" in capsys.readouterr().err
    with pytest.raises(IncompatibleError, match="tests-tiny-unet"):
        miniseg_edge.load(bundle, "torch")


@pytest.mark.slow
def test_masks_other_channels_and_free_sizes_in_the_graph(tmp_path: Path) -> None:
    wanted = replace(
        request(tmp_path, "tests-pointwise"),
        result="mask",
        separate_channels=True,
        dynamic_batch=True,
        dynamic_size=True,
    )
    assert all(parity.passed for parity in export_bundle(wanted).parities)
    slice_ = np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)
    with miniseg_edge.load(wanted.output, "torch") as reference, miniseg_edge.load(wanted.output) as segmenter:
        assert np.array_equal(segmenter.segment(slice_).mask, reference.segment(slice_).mask)


class TestRefused:
    def test_a_size_that_the_network_cannot_take_names_one_that_it_takes(self, tmp_path: Path) -> None:
        wanted = replace(request(tmp_path, "tests-tiny-unet"), size=(47, 64))
        with pytest.raises(ExportError, match="multiples of 2, such as --input-size 48 64, got 47 x 64"):
            export_bundle(wanted)
        assert not wanted.output.exists()

    def test_free_sizes_that_it_cannot_take(self, tmp_path: Path) -> None:
        with pytest.raises(ExportError, match="slices of any size"):
            export_bundle(replace(request(tmp_path, "tests-tiny-unet"), dynamic_size=True))

    def test_what_does_not_segment(self, tmp_path: Path) -> None:
        with pytest.raises(ExportError, match=r"does not segment.*; expected logits \(1, 2, H, W\)"):
            export_bundle(request(tmp_path, "tests-classifier"))

    def test_a_target_that_is_made_of_minisegs_blocks(self, tmp_path: Path) -> None:
        wanted = replace(request(tmp_path, "tests-tiny-unet"), targets=("onnx", "native"))
        refusal = "native needs MiniSeg's blocks, which tests-tiny-unet does not have; expected of onnx, openvino"
        with pytest.raises(UsageError, match=refusal):
            export_bundle(wanted)
        assert not wanted.output.exists()

    def test_int8_and_forms(self, tmp_path: Path) -> None:
        wanted = request(tmp_path, "tests-tiny-unet")
        with pytest.raises(UsageError, match="INT8 needs MiniSeg's blocks"):
            export_bundle(replace(wanted, precisions=("fp32", "int8"), calibration=tmp_path))
        with pytest.raises(UsageError, match="cannot be tuned"):
            export_bundle(replace(wanted, tune=True))


@pytest.mark.slow
def test_the_ten_lines_of_the_documentation(tmp_path: Path) -> None:
    """As its reader does it: a module, an entry point, a checkpoint, and the command in a process of its own."""
    tomllib = pytest.importorskip("tomllib")
    text = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    module, save = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (project,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    ((group, points),) = tomllib.loads(project)["project"]["entry-points"].items()
    (command,) = re.findall(r"```sh\n(miniseg-export lung-network.*?)\n```", text, re.DOTALL)
    assert len(module.splitlines()) <= 10
    (tmp_path / "lung_networks.py").write_text(module)
    metadata = tmp_path / "lung-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lung\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *(f"{n} = {v}" for n, v in points.items())]))
    train = "import torch, lung_networks; torch.save(lung_networks.build(3, 2).state_dict(), 'trained.pth')"
    words = ["-m", "miniseg_edge.export", *command.split()[1:], "--input-size", "32", "32"]
    for arguments in (["-c", train], ["-c", save], words):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert open_bundle(tmp_path / "bundle").manifest.network.name == "lung-network"
