"""Fixtures that many tests share: real exports of small networks, and the real data where it is present."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle import Bundle, open_bundle
from miniseg_edge.dependencies import installed
from miniseg_edge.errors import MiniSegError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.preprocessing import Statistics, Window
from miniseg_edge.runtimes.registry import REGISTRY
from miniseg_edge.runtimes.tensorrt.machine import gpus
from miniseg_edge.runtimes.tensorrt.vendors import VENDORS, vendor_of
from miniseg_edge.training.checkpoint import save_checkpoint
from miniseg_edge.training.demo import CHECKPOINT
from miniseg_edge.training.network import MiniSeg

STATISTICS = Statistics(0.55, 0.29)
SIZE = (64, 64)


def has_gpu() -> bool:
    """Whether an NVIDIA GPU and its driver are here."""
    try:
        return bool(gpus())
    except MiniSegError:
        return False


def targets_here() -> tuple[str, ...]:
    """Targets whose artefacts this machine can run: those for CPUs, and the engines where there is a GPU."""
    engines = [v.target for v in VENDORS if has_gpu() and any(installed(name) for name in v.modules)]
    return ("onnx", "openvino", *engines)


def runtime_parameters(names: Iterable[str]) -> list[ParameterSet]:
    """A parameter for each runtime; engines need a GPU and their vendor's package."""
    engines = [entry.name for entry in REGISTRY if vendor_of(entry.target) is not None]
    return [pytest.param(name, marks=pytest.mark.gpu if name in engines else []) for name in names]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what needs a GPU where there is none."""
    if item.get_closest_marker("gpu") is None:
        return
    if not has_gpu():
        pytest.skip("needs an NVIDIA GPU")
    parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
    for vendor in (vendor for entry in REGISTRY if entry.name in parameters and (vendor := vendor_of(entry.target))):
        if not any(installed(name) for name in vendor.modules):
            pytest.skip(f"needs {vendor.title}")


def random_network(architecture: Architecture, seed: int) -> MiniSeg:
    """An untrained network whose normalisation layers are as uneven as trained ones, and whose masks are mixed."""
    import torch  # after miniseg_edge.training has settled how its threads wait

    torch.manual_seed(seed)
    network = MiniSeg(architecture)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            torch.nn.init.normal_(module.running_mean, 0.0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.2)
        elif isinstance(module, torch.nn.PReLU):
            torch.nn.init.uniform_(module.weight, -0.2, 0.5)
    return network.eval()


@pytest.fixture(scope="session")
def checkpoint_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An 83K checkpoint of our own, statistics inside."""
    path = tmp_path_factory.mktemp("checkpoint") / "small.pth"
    save_checkpoint(random_network(Architecture(), 1), STATISTICS, path)
    return path


@pytest.fixture(scope="session")
def tiny_checkpoint_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the smallest network there is, for tests that export again and again."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.pth"
    save_checkpoint(random_network(Architecture((4, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0)), 3), STATISTICS, path)
    return path


@pytest.fixture(scope="session")
def bundle_path(checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with every target that runs here, in FP32, at 64 x 64, with a window. Read-only by agreement."""
    output = tmp_path_factory.mktemp("bundle") / "small"
    export_bundle(
        ExportRequest(checkpoint_path, output, targets_here(), ("fp32",), size=SIZE, window=Window(-1250.0, 250.0)),
    )
    return output


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    """The same, opened."""
    return open_bundle(bundle_path)


@pytest.fixture(scope="session")
def demo_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo checkpoint at 64 x 64, with a window: its masks of phantoms hold lesions. Read-only by agreement."""
    output = tmp_path_factory.mktemp("demo") / "demo"
    export_bundle(
        ExportRequest(CHECKPOINT, output, targets_here(), ("fp32",), size=SIZE, window=Window(-1250.0, 250.0))
    )
    return output


@pytest.fixture(scope="session")
def odd_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Other channels, depths, three classes, one input channel, an odd and oblong size."""
    folder = tmp_path_factory.mktemp("odd")
    architecture = Architecture((4, 8, 12, 16), (1, 2, 1, 2), (0, 1, 1, 1), classes=3, in_channels=1)
    save_checkpoint(random_network(architecture, 2), STATISTICS, folder / "odd.pth")
    export_bundle(ExportRequest(folder / "odd.pth", folder / "odd", targets_here(), ("fp32",), size=(51, 70)))
    return open_bundle(folder / "odd")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout."""
    path = Path(__file__).parents[2] / "shared"
    if not (path / "data").is_dir():
        pytest.skip("needs the real data in ../shared/data, which is not part of the repository")
    return path
