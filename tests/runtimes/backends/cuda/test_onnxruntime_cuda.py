"""ONNX Runtime on a GPU beyond the contract that every runtime keeps; the rest of this needs none."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import DeviceLostError, DeviceMemoryError, InferenceError, RuntimeUnavailableError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.backends.cuda import onnxruntime_cuda
from miniseg_edge.runtimes.backends.cuda.calls import checked, cuda_runtime
from miniseg_edge.runtimes.backends.cuda.onnxruntime_cuda import PROVIDER, OnnxRuntimeCuda, Session
from miniseg_edge.runtimes.backends.registry import choose, entry_named
from tests.conftest import SIZE, lacks, runtime_parameters
from tests.runtimes.backends.test_registry import without

NAME = "onnxruntime-cuda"
on_a_gpu = pytest.mark.parametrize("runtime", runtime_parameters((NAME,)))


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc", DeviceMemoryError),
        ("Failed to allocate memory for requested buffer of size 1048576", DeviceMemoryError),
        ("CUDA failure 700: an illegal memory access was encountered", DeviceLostError),
        ("CUDA failure 35: CUDA driver version is insufficient", RuntimeUnavailableError),
        ("CUDA failure 1: invalid argument", InferenceError),
    ],
)
def test_what_the_gpu_lacks_has_the_error_that_it_has_everywhere(said: str, kind: type[Exception]) -> None:
    pytest.importorskip("cuda.bindings.runtime")
    with pytest.raises(kind) as caught, onnxruntime_cuda._cuda_errors("the network"):
        raise ValueError(said)
    assert type(caught.value) is kind


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="a bad graph"), onnxruntime_cuda._cuda_errors("the network"):
        raise ValueError("a bad graph")


def test_the_cpu_build_is_told_apart(bundle: Bundle) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if PROVIDER in onnxruntime.get_available_providers():
        pytest.skip("this is the CUDA build")
    with pytest.raises(
        RuntimeUnavailableError, match=r'this onnxruntime was built without CUDA.*"miniseg-edge\[onnxruntime-cuda'
    ):
        OnnxRuntimeCuda.devices()
    with pytest.raises(RuntimeUnavailableError, match="this onnxruntime was built without CUDA"):
        choose(bundle, NAME)


def test_who_asks_for_nothing_gets_the_cpu_and_hears_of_no_gpu(bundle: Bundle) -> None:
    choice = choose(without(bundle, "native", "openvino"))
    assert (choice.entry.name, choice.device, choice.reason) == ("onnxruntime", "cpu", "first in order of speed")


@pytest.mark.gpu
def test_a_device_that_only_it_has_chooses_it(bundle: Bundle) -> None:
    if reason := lacks(entry_named(NAME)):
        pytest.skip(reason)
    assert choose(without(bundle, "trt", "trt-rtx"), device="cuda:0").entry.name == NAME


@on_a_gpu
def test_a_whole_call_is_one_cuda_graph_without_tf32(bundle: Bundle, runtime: str) -> None:
    with miniseg_edge.load(bundle, runtime) as segmenter:
        opened = segmenter.runtime
        assert isinstance(opened, OnnxRuntimeCuda)
        (lane,) = opened._lanes._spare
        network = lane._network
        assert isinstance(network, Session)
        assert lane._graph is not None
        assert network._session.get_provider_options()[PROVIDER]["use_tf32"] == "0"


@on_a_gpu
def test_threads_get_the_serial_bits_while_lanes_are_made(bundle: Bundle, runtime: str) -> None:
    work = [phantom(seed, size=SIZE).image for seed in range(32)]
    with miniseg_edge.load(bundle, runtime) as segmenter:
        serial = [segmenter.segment(slice_).logit for slice_ in work]
        with ThreadPoolExecutor(8) as pool:
            for found, expected in zip(pool.map(segmenter.segment, work), serial, strict=True):
                np.testing.assert_array_equal(found.logit, expected)


@on_a_gpu
def test_a_lane_is_made_while_the_host_takes_memory(bundle: Bundle, runtime: str) -> None:
    """Other CUDA code of the process continues while a graph is captured, and does not spoil it."""
    done = threading.Event()
    failed: list[Exception] = []

    def take_and_give_back() -> None:
        cuda = cuda_runtime()
        try:
            while not done.is_set():
                checked(cuda.cudaFree, checked(cuda.cudaMalloc, 2**20))
        except Exception as error:
            failed.append(error)

    host = threading.Thread(target=take_and_give_back)
    host.start()
    try:
        for _ in range(3):
            miniseg_edge.load(bundle, runtime).close()
    finally:
        done.set()
        host.join()
    assert failed == []


@on_a_gpu
def test_closing_gives_the_memory_back(bundle: Bundle, runtime: str) -> None:
    slice_ = phantom(4, size=SIZE).image

    def once() -> int:
        with miniseg_edge.load(bundle, runtime) as segmenter:
            segmenter.segment(slice_)
        checked(cuda_runtime().cudaDeviceSynchronize)
        return free_bytes()

    first = min(once() for _ in range(3))  # the context, and what the vendor keeps for itself
    assert first - min(once() for _ in range(10)) < 4 * 2**20


def free_bytes() -> int:
    _, free, _ = cuda_runtime().cudaMemGetInfo()
    return int(free)


@on_a_gpu
def test_any_size_and_number(checkpoint_path: Path, tmp_path: Path, runtime: str) -> None:
    request = ExportRequest(checkpoint_path, tmp_path / "any", ("onnx",), dynamic_batch=True, dynamic_size=True)
    assert export_bundle(request).bundle is not None
    opened = open_bundle(tmp_path / "any")
    random = np.random.default_rng(5)
    with miniseg_edge.load(opened, runtime) as segmenter, miniseg_edge.load(opened, "torch", "cpu") as reference:
        for shape in ((1, 1, 64, 64), (4, 1, 48, 80), (2, 1, 200, 120), (1, 1, 64, 64)):
            values = random.uniform(0, 255, shape).astype(np.float32)
            np.testing.assert_allclose(segmenter.runtime.infer(values), reference.runtime.infer(values), atol=1e-3)
