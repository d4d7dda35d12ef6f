"""What a runtime on a GPU does before the first slice and after the last, with lanes on a CPU in the GPU's place."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.golden import golden_logits, npy_from_logits
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.errors import ClosedError, ParityError
from miniseg_edge.runtimes.backends.cuda import lane_runtime
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu
from miniseg_edge.runtimes.backends.cuda.lane_runtime import LaneRuntime, OnGpu
from miniseg_edge.runtimes.backends.cuda.network import Network
from miniseg_edge.runtimes.backends.openvino import OpenVino
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray
from miniseg_edge.tensors import TensorSpec
from tests.conftest import SIZE

GPU = Gpu(0, "a CPU", "8.6", "13.0", integrated=False)


@dataclass
class Told:
    """What was asked of the vendor, in order."""

    calls: list[str] = field(default_factory=list)


class CpuLane:
    """Runs OpenVINO where a lane runs a GPU's stream."""

    def __init__(self, gpu: Gpu, network_on: Callable[[int], Network], input_: TensorSpec, output: TensorSpec) -> None:
        assert (gpu, input_.shape[2:], output.shape[2:]) == (GPU, SIZE, SIZE)
        self._network = network_on(7)
        self._network.enqueue()  # as a lane warms up

    def run(self, values: FloatArray) -> FloatArray | ByteArray:
        assert isinstance(self._network, CpuNetwork)
        self._network.told.calls.append("run")
        return self._network.openvino.infer(values)

    def release(self) -> None:
        self._network.release()


class CpuNetwork:
    def __init__(self, openvino: OpenVino, told: Told) -> None:
        self.openvino, self.told = openvino, told

    def bind(self, shape: tuple[int, ...], taken: int, given: int) -> None: ...

    def enqueue(self) -> None:
        self.told.calls.append("warm up")

    def can_be_captured(self) -> bool:
        return False

    def release(self) -> None:
        self.told.calls.append("lane released")


class OnLanes(LaneRuntime):
    name = "on-lanes"
    unseen = True
    told = Told()

    @property
    def version(self) -> str:
        return "1"

    def _open_on(self, gpu: Gpu, bundle: Bundle, files: list[bytes]) -> OnGpu:
        told, openvino = self.told, OpenVino(bundle, self.artifact, "cpu")
        keep, release = (lambda: told.calls.append("kept")), (lambda: told.calls.append("released"))
        return OnGpu(lambda stream: CpuNetwork(openvino, told), self.unseen, keep, release)


class Seen(OnLanes):
    unseen = False


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr(lane_runtime, "gpu_named", lambda device: GPU)
    monkeypatch.setattr(lane_runtime, "Lane", CpuLane)
    found = Told()
    monkeypatch.setattr(OnLanes, "told", found)
    return found


@pytest.fixture
def artifact(bundle: Bundle) -> Artifact:
    found = bundle.manifest.artifact("openvino")
    assert found is not None
    return found


def test_what_nobody_saw_run_draws_the_golden_slices_before_anything_is_kept(
    bundle: Bundle, artifact: Artifact, told: Told
) -> None:
    runtime = OnLanes(bundle, artifact, "cuda:0")
    assert told.calls == ["warm up", *["run"] * len(bundle.manifest.golden), "kept"]
    runtime.close()
    runtime.close()
    assert told.calls[-2:] == ["lane released", "released"]
    with pytest.raises(ClosedError):
        runtime.infer(np.zeros((1, 1, *SIZE), np.float32))


def test_what_was_seen_to_run_is_not_replayed(bundle: Bundle, artifact: Artifact, told: Told) -> None:
    runtime = Seen(bundle, artifact, "cuda:0")
    assert told.calls == ["warm up", "kept"]
    runtime.close()


def test_another_lesion_does_not_open_and_nothing_stays(bundle: Bundle, artifact: Artifact, told: Told) -> None:
    golden = bundle.manifest.golden[1]
    inverted = npy_from_logits(np.ascontiguousarray(-golden_logits(bundle, golden, SIZE)))
    changed = Bundle(bundle.name, bundle.manifest, {**bundle.contents, golden.logit: inverted})
    with pytest.raises(ParityError, match="on cuda:0 does not reproduce"):
        OnLanes(changed, artifact, "cuda:0")
    assert "kept" not in told.calls
    assert told.calls[-2:] == ["lane released", "released"]


def test_who_forgets_to_close_gets_the_memory_back(bundle: Bundle, artifact: Artifact, told: Told) -> None:
    runtime = Seen(bundle, artifact, "cuda:0")
    del runtime
    gc.collect()
    assert told.calls[-2:] == ["lane released", "released"]
