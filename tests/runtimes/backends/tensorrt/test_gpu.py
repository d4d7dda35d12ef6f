"""What needs a GPU beyond the contract that every runtime keeps: `pytest -m gpu`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import InputError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.backends.cuda.calls import checked, cuda_runtime
from miniseg_edge.runtimes.backends.tensorrt.kernels import FOLDER_VARIABLE
from tests.conftest import SIZE, runtime_parameters, targets_here

pytestmark = [pytest.mark.gpu, pytest.mark.parametrize("runtime", runtime_parameters(("tensorrt", "tensorrt-rtx")))]


@pytest.fixture(scope="module")
def half(checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Every engine that can be built here, in FP16; each passed the parity gate."""
    output = tmp_path_factory.mktemp("half") / "bundle"
    engines = tuple(target for target in targets_here() if target.startswith("trt"))
    assert export_bundle(ExportRequest(checkpoint_path, output, engines, ("fp16",), size=SIZE)).bundle is not None
    return open_bundle(output)


@pytest.fixture(scope="module")
def any_size(checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    output = tmp_path_factory.mktemp("any") / "bundle"
    engines = tuple(target for target in targets_here() if target.startswith("trt"))
    request = ExportRequest(checkpoint_path, output, engines, ("fp32",), dynamic_batch=True, dynamic_size=True)
    assert export_bundle(request).bundle is not None
    return open_bundle(output)


def free_bytes() -> int:
    _, free, _ = cuda_runtime().cudaMemGetInfo()
    return int(free)


def test_half_precision_stays_near_and_is_no_fp32(bundle: Bundle, half: Bundle, runtime: str) -> None:
    slice_ = phantom(4, size=SIZE).image
    with miniseg_edge.load(bundle, runtime) as exact, miniseg_edge.load(half, runtime) as fast:
        assert 0 < np.abs(exact.segment(slice_).logit - fast.segment(slice_).logit).max() < 0.1


def test_threads_get_the_serial_results_in_half_precision(half: Bundle, runtime: str) -> None:
    work = [phantom(seed, size=SIZE).image for seed in range(16)]
    with miniseg_edge.load(half, runtime) as segmenter:
        serial = [segmenter.segment(slice_).logit for slice_ in work]
        with ThreadPoolExecutor(8) as pool:
            for found, expected in zip(pool.map(segmenter.segment, work), serial, strict=True):
                np.testing.assert_array_equal(found.logit, expected)


def test_closing_gives_the_memory_back(half: Bundle, runtime: str) -> None:
    slice_ = phantom(4, size=SIZE).image

    def once() -> int:
        with miniseg_edge.load(half, runtime) as segmenter:
            segmenter.segment(slice_)
        checked(cuda_runtime().cudaDeviceSynchronize)
        return free_bytes()

    first = min(once() for _ in range(3))  # the context, and what the vendor keeps for itself
    assert first - min(once() for _ in range(20)) < 4 * 2**20


def test_any_size_and_number_until_the_engines_range_ends(any_size: Bundle, runtime: str) -> None:
    random = np.random.default_rng(5)
    with miniseg_edge.load(any_size, runtime) as segmenter, miniseg_edge.load(any_size, "torch") as reference:
        for shape in ((1, 1, 64, 64), (4, 1, 48, 80), (2, 1, 200, 120), (1, 1, 64, 64)):
            values = random.uniform(0, 255, shape).astype(np.float32)
            np.testing.assert_allclose(segmenter.runtime.infer(values), reference.runtime.infer(values), atol=1e-3)
        with pytest.raises(InputError, match="does not support this shape"):
            segmenter.runtime.infer(np.zeros((1, 1, 2048, 2048), np.float32))


def test_what_was_compiled_is_kept_for_the_next_start(
    half: Bundle, runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for _ in range(2):
        miniseg_edge.load(half, runtime).close()
    kept = list(tmp_path.rglob("*.kernels"))
    assert len(kept) == (runtime == "tensorrt-rtx")
    for path in kept:
        path.write_bytes(b"broken")
        miniseg_edge.load(half, runtime).close()
        assert path.read_bytes() != b"broken"
