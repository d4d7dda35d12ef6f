"""What the vendor and CUDA do when something fails, and what comes of it here: the right error, and nothing left."""

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import (
    DeviceLostError,
    DeviceMemoryError,
    ForkedError,
    InferenceError,
    MiniSegError,
    RuntimeUnavailableError,
)
from miniseg_edge.export.command import main
from miniseg_edge.runtimes.backends import forks
from miniseg_edge.runtimes.backends.cuda.gpus import gpus
from miniseg_edge.runtimes.backends.registry import choose
from tests.rehearsal.conftest import SMALL
from tests.rehearsal.machine import Rehearsal
from tests.rehearsal.test_whole_way import SLICE

TOO_OLD = "CUDA initialization failure with error: 35. Please check your CUDA installation"
DROPPED = "CUDA initialization failure with error: 999. Please check your CUDA installation"
FULL = "IExecutionContext::executeV3: Error Code 2: OutOfMemory (Requested size was 4096 bytes.)"
OTHER = "IRuntime::deserializeCudaEngine: Error Code 4: API Usage Error (something else)"


@pytest.mark.parametrize(
    ("gives_nothing", "severity", "said", "kind"),
    [
        ("Runtime", "WARNING", TOO_OLD, RuntimeUnavailableError),
        ("Runtime", "WARNING", DROPPED, DeviceLostError),
        ("Runtime", "ERROR", "", RuntimeUnavailableError),
        ("deserialize_cuda_engine", "ERROR", OTHER, InferenceError),
        ("deserialize_cuda_engine", "ERROR", FULL, DeviceMemoryError),
        ("create_execution_context", "ERROR", FULL, DeviceMemoryError),
        ("create_execution_context", "ERROR", "", InferenceError),
        ("set_tensor_address", "ERROR", OTHER, InferenceError),
        ("execute_async_v3", "ERROR", "", InferenceError),
        ("execute_async_v3", "INTERNAL_ERROR", "(cudaError 700: an illegal memory access)", DeviceLostError),
    ],
)
def test_opening_fails_with_the_right_error_and_leaves_nothing(
    engines: Bundle, machine: Rehearsal, gives_nothing: str, severity: str, said: str, kind: type[MiniSegError]
) -> None:
    machine.tensorrt.faults.nothing = {gives_nothing}
    machine.tensorrt.faults.said = severity, said
    with pytest.raises(MiniSegError) as caught:
        miniseg_edge.load(engines, "tensorrt")
    assert type(caught.value) is kind
    assert " ".join(said.split()) in caught.value.because
    del caught
    gc.collect()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gives_nothing", "said", "code"),
    [
        ("Builder", TOO_OLD, "RUNTIME_UNAVAILABLE"),
        ("build_serialized_network", "Error Code 10: could not find any implementation for node Deconv", "EXPORT"),
        ("build_serialized_network", "(cudaError 700: an illegal memory access)", "DEVICE_LOST"),
        ("deserialize_cuda_engine", OTHER, "INFERENCE"),
    ],
)
def test_an_export_fails_with_the_right_error_and_writes_nothing(
    tiny_checkpoint_path: Path, tmp_path: Path, machine: Rehearsal, capsys: pytest.CaptureFixture[str],
    gives_nothing: str, said: str, code: str,
) -> None:  # fmt: skip
    machine.tensorrt.faults.nothing = {gives_nothing}
    machine.tensorrt.faults.said = "ERROR", said
    words = ["--target", "trt", *SMALL, "--output", str(tmp_path / "bundle")]
    assert main([str(tiny_checkpoint_path), *words]) == 1
    shown = capsys.readouterr().err
    assert f"{code}: " in shown
    assert said[:30] in shown
    assert ("--precision fp32" in shown) == ("Deconv" in said)
    assert not list(tmp_path.iterdir())
    gc.collect()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "passes"),
    [("not json", False), ("[]", False), ('{"Layers": 1}', False), ('{"Layers": ["a", "b"]}', True), ("{}", True)],
)
def test_an_inspector_that_says_nothing_leaves_it_to_the_network_and_nonsense_is_an_error(
    tiny_checkpoint_path: Path, tmp_path: Path, machine: Rehearsal, capsys: pytest.CaptureFixture[str],
    said: str, passes: bool,
) -> None:  # fmt: skip
    machine.tensorrt.faults.inspector = said
    words = ["--target", "trt", *SMALL, "--output", str(tmp_path / "bundle")]
    assert main([str(tiny_checkpoint_path), *words]) == (0 if passes else 1)
    if passes:
        assert '"engine_precisions": {}' in (tmp_path / "bundle" / "manifest.json").read_text(encoding="utf-8")
    else:
        assert "EXPORT: the engine inspector's report cannot be read" in capsys.readouterr().err


def test_an_error_of_cuda_that_a_false_hides_is_a_lost_device(engines: Bundle, machine: Rehearsal) -> None:
    segmenter = miniseg_edge.load(engines, "tensorrt")
    machine.cuda.fail("cudaGraphLaunch", 700)
    machine.cuda.lose(700)
    with pytest.raises(DeviceLostError, match=r"cudaErrorIllegalAddress.*Start the process again"):
        segmenter.segment(SLICE)
    machine.cuda.sticky = 0  # so that what is left can be told from what could not be freed
    segmenter.close()
    machine.cuda.held.clear()


@pytest.mark.slow
def test_a_false_without_a_word_from_a_lost_gpu_is_a_lost_device(any_size: Bundle, machine: Rehearsal) -> None:
    segmenter = miniseg_edge.load(any_size, "tensorrt")
    segmenter.segment(SLICE)
    machine.tensorrt.faults.nothing = {"execute_async_v3"}
    machine.cuda.fail("cudaMemGetInfo", 719)  # what every call gives then
    with pytest.raises(DeviceLostError, match="cudaErrorLaunchFailure"):
        segmenter.segment(SLICE)
    segmenter.close()


def spoiled(machine: Rehearsal) -> None:
    machine.tensorrt.faults.unfit_for_capture = True


def refused(machine: Rehearsal) -> None:
    machine.cuda.fail("cudaStreamBeginCapture", 900)


def not_instantiated(machine: Rehearsal) -> None:
    machine.cuda.fail("cudaGraphInstantiate", 801)


@pytest.mark.parametrize("cause", [spoiled, refused, not_instantiated])
def test_without_a_cuda_graph_it_goes_on(
    engines: Bundle, machine: Rehearsal, caplog: pytest.LogCaptureFixture, cause: Callable[[Rehearsal], None]
) -> None:
    with miniseg_edge.load(engines, "tensorrt") as segmenter:
        expected = segmenter.segment(SLICE).logit
    cause(machine)
    with miniseg_edge.load(engines, "tensorrt") as segmenter:
        assert (segmenter.segment(SLICE).logit == expected).all()
    assert "no CUDA graph, so each call is launched operator by operator" in caplog.text


def test_nothing_is_collected_inside_a_capture(
    engines: Bundle, machine: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    during: list[bool] = []
    enqueue = machine.cuda.enqueue

    def watched(stream: object, work: Callable[[], None]) -> int:
        found = machine.cuda.stream_of(stream)
        if found is not None and found.captured is not None:
            during.append(gc.isenabled())
        return enqueue(stream, work)

    monkeypatch.setattr(machine.cuda, "enqueue", watched)
    miniseg_edge.load(engines, "tensorrt").close()
    assert during
    assert not any(during)
    assert gc.isenabled()


@pytest.mark.parametrize("error", [RuntimeError("a vendor's own"), MemoryError(), KeyboardInterrupt()])
def test_a_lane_that_fails_to_open_leaks_nothing(engines: Bundle, machine: Rehearsal, error: BaseException) -> None:
    machine.tensorrt.faults.raises = error  # type: ignore[assignment]
    with pytest.raises(BaseException) as caught:  # noqa: PT011  the point is what stays
        miniseg_edge.load(engines, "tensorrt")
    del caught
    gc.collect()  # and `machine` looks at what is held


def test_a_fork_after_cuda_is_named(engines: Bundle, machine: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpus()
    monkeypatch.setitem(forks._first_users, "CUDA", 1)  # as in a child whose parent has used it
    with pytest.raises(ForkedError, match="CUDA was used before this process was forked"):
        gpus()
    assert choose(engines).entry.name == "openvino"
    assert "before this process was forked" in choose(engines).reason
