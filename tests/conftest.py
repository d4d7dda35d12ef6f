"""Fixtures that many tests share: real exports of small networks, and the real data where it is present."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from filelock import FileLock
from hypothesis import settings

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import MiniSegError
from miniseg_edge.export.command import main as export_main
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.export.targets import targets
from miniseg_edge.host.dependencies import installed
from miniseg_edge.runtimes.backends.cuda.gpus import gpus
from miniseg_edge.runtimes.backends.registry import RuntimeEntry, registry
from miniseg_edge.runtimes.backends.tensorrt.vendors import VENDORS, Vendor, vendor_of
from miniseg_edge.slices.preprocessing import Statistics, Window
from miniseg_edge.training.checkpoint import save_checkpoint
from miniseg_edge.training.networks.miniseg import MiniSeg

# Tests assert nothing about time, and draw the same examples everywhere; `--hypothesis-profile=explore` draws others.
settings.register_profile("miniseg", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, derandomize=False)
settings.load_profile("miniseg")

sys.path.append(str(Path(__file__).parents[1] / "build" / "ziglang"))
"""Where `make ziglang` puts a compiler, which the tests that need it find as an installed one."""

STATISTICS = Statistics(0.55, 0.29)
SIZE = (64, 64)
SMALL = Architecture((8, 8, 8, 8), (1, 1, 1, 1), (1, 1, 1, 1))
"""A block of each kind in each stage: what is opened hundreds of times need not be as deep as the published network."""


def has_gpu() -> bool:
    """Whether an NVIDIA GPU and its driver are here."""
    try:
        return bool(gpus())
    except MiniSegError:
        return False


def targets_here() -> tuple[str, ...]:
    """Targets whose artefacts this machine can run: those for CPUs, and the engines that its GPU runs."""
    vendors = {vendor.target: vendor for vendor in VENDORS}
    return tuple(n for n, row in targets().items() if (row.on_cpu if n not in vendors else why_not(vendors[n]) is None))


def why_not(vendor: Vendor) -> str | None:
    """Why this machine runs no engine of a vendor, or None."""
    if not has_gpu():
        return "needs an NVIDIA GPU"
    if not any(installed(name) for name in vendor.modules):
        return f"needs {vendor.title}"
    gpu = gpus()[0]
    if not vendor.serves(gpu.compute_capability):
        return f"{vendor.title} does not serve the {gpu.name}"
    return None


def runtime_parameters(names: Iterable[str]) -> list[ParameterSet]:
    """A parameter for each runtime; some need a GPU and their vendor's package."""
    on_gpus = [entry.name for entry in registry() if entry.needs_gpu]
    return [pytest.param(name, marks=pytest.mark.gpu if name in on_gpus else []) for name in names]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first, so that no process is still busy with one when the others have ended."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what needs a GPU where there is none, or not what its runtime needs."""
    if item.get_closest_marker("gpu") is None:
        return
    if not has_gpu():
        pytest.skip("needs an NVIDIA GPU")
    parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
    for entry in (entry for entry in registry() if entry.needs_gpu and entry.name in parameters):
        vendor = vendor_of(entry.target)
        if (reason := why_not(vendor) if vendor is not None else lacks(entry)) is not None:
            pytest.skip(reason)


def lacks(entry: RuntimeEntry) -> str | None:
    """Why a runtime has no device here, or None."""
    try:
        entry.load().devices()
    except MiniSegError as error:
        return str(error)
    return None


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


def made_once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """What the workers of one run have in common: the first that wants it makes it, and the others wait."""
    base = temporary.getbasetemp()
    path = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once" / name
    path.parent.mkdir(exist_ok=True)
    with FileLock(path.with_name(f"{name}.lock")):
        if not path.exists():
            make(path)
    assert path.exists(), f"{name} was not made"
    return path


@pytest.fixture(scope="session")
def checkpoint_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a network with a block of each kind in each stage, statistics inside."""
    path = tmp_path_factory.mktemp("checkpoint") / "small.pth"
    save_checkpoint(random_network(SMALL, 16), STATISTICS, path)
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
    request = ExportRequest(
        checkpoint_path, Path(), targets_here(), ("fp32",), size=SIZE, window=Window(-1250.0, 250.0)
    )
    return made_once(tmp_path_factory, "small", lambda path: export_bundle(replace(request, output=path)))


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    """The same, opened."""
    return open_bundle(bundle_path)


@pytest.fixture(scope="session")
def demo_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network whose masks of phantoms hold lesions of many sizes, at 64 x 64, with a window. Read-only."""
    checkpoint = tmp_path_factory.mktemp("drawing") / "demo.pth"
    save_checkpoint(random_network(SMALL, 37), STATISTICS, checkpoint)
    request = ExportRequest(checkpoint, Path(), targets_here(), ("fp32",), size=SIZE, window=Window(-1250.0, 250.0))
    return made_once(tmp_path_factory, "demo", lambda path: export_bundle(replace(request, output=path)))


@pytest.fixture(scope="session")
def odd_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Other channels, depths, three classes, one input channel, an odd and oblong size."""
    checkpoint = tmp_path_factory.mktemp("odd") / "odd.pth"
    architecture = Architecture((4, 8, 12, 16), (1, 2, 1, 2), (0, 1, 1, 1), classes=3, in_channels=1)
    save_checkpoint(random_network(architecture, 2), STATISTICS, checkpoint)
    request = ExportRequest(checkpoint, Path(), targets_here(), ("fp32",), size=(51, 70))
    return open_bundle(made_once(tmp_path_factory, "odd", lambda path: export_bundle(replace(request, output=path))))


@pytest.fixture(scope="session")
def engine_bundle_path(tiny_checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenVINO in FP32 beside an engine that TensorRT for RTX builds for real, which needs no GPU. Read-only."""
    pytest.importorskip("tensorrt_rtx_bindings")
    words = [str(tiny_checkpoint_path), "--target", "openvino", "--target", "trt-rtx", "--input-size", "32", "32"]
    return made_once(tmp_path_factory, "engine", lambda path: export_main([*words, "--output", str(path)]))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout."""
    path = Path(__file__).parents[2] / "shared"
    if not (path / "data").is_dir():
        pytest.skip("needs the real data in ../shared/data, which is not part of the repository")
    return path
