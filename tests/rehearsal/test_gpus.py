"""GPUs that are sick, several, or somebody else's too."""

import gc
import shutil
import threading
from pathlib import Path

import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import IncompatibleError, RuntimeUnavailableError
from miniseg_edge.export.command import main
from miniseg_edge.runtimes.backends.cuda import gpus as machine_module
from miniseg_edge.runtimes.backends.registry import choose
from tests.rehearsal.conftest import export
from tests.rehearsal.cuda import ORIN_NX, FakeGpu
from tests.rehearsal.machine import Rehearsal, rehearsed
from tests.rehearsal.test_whole_way import SLICE, record_of

SICK = (999, 304, 46, 805, 2, 35, 100, 3, 34, 803, 802, 804, 101)
"""After a suspend, without rights, busy, no MPS, no memory, an old driver, no GPU, after a fork, and other ways."""


@pytest.mark.parametrize(
    ("function", "status"),
    [
        *(("cudaGetDeviceCount", status) for status in SICK),
        *(("cudaDriverGetVersion", status) for status in (999, 35)),
        *(("cudaGetDeviceProperties", status) for status in (999, 46)),
        *(("cuDevicePrimaryCtxRetain", status) for status in (999, 304, 46, 2, 805)),
        *(("cuInit", status) for status in (999, 100)),
    ],
)
def test_a_sick_gpu_is_no_gpu_and_the_cpu_takes_over(
    engines: Bundle, machine: Rehearsal, function: str, status: int
) -> None:
    machine.cuda.fail(function, status)
    with miniseg_edge.load(engines) as segmenter:
        assert segmenter.choice.entry.name == "openvino"
        assert "tensorrt: " in segmenter.choice.reason
        assert "cudaError" in segmenter.choice.reason
        segmenter.segment(SLICE)


@pytest.mark.parametrize("status", SICK)
def test_who_asks_for_a_sick_gpu_is_told_why(engines: Bundle, machine: Rehearsal, status: int) -> None:
    machine.cuda.fail("cudaGetDeviceCount", status)
    with pytest.raises(RuntimeUnavailableError, match=r"cudaError\w+"):
        miniseg_edge.load(engines, "tensorrt")


@pytest.mark.parametrize("error", [OSError("libcuda.so.1"), RuntimeError("cannot dlopen"), AttributeError("cuInit")])
def test_libraries_that_do_not_load_are_no_gpu(
    engines: Bundle, machine: Rehearsal, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(machine_module, "cuda_runtime", fails)
    choice = choose(engines)
    assert choice.entry.name == "openvino"
    assert str(error) in choice.reason


def test_the_hosts_own_context_is_left_as_it_was(engines: Bundle, machine: Rehearsal) -> None:
    own = machine.cuda.host_context(0)
    with miniseg_edge.load(engines, "tensorrt") as segmenter:
        segmenter.segment(SLICE)
        assert machine.cuda.stack == (own,)
        found = [context for _, context, _ in machine.cuda.held.values()]
        assert found
        assert all(context.primary for context in found), "nothing of ours was made under it"
        thread = threading.Thread(target=segmenter.segment, args=(SLICE,))  # with no context of its own
        thread.start()
        thread.join()
    assert machine.cuda.stack == (own,)


def test_a_gpu_that_is_not_asked_for_is_never_initialised(engine_path: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(engine_path, tmp_path / "bundle"))
    with rehearsed(FakeGpu(), FakeGpu()) as machine:
        with miniseg_edge.load(path, "tensorrt", "cuda:1") as segmenter:
            segmenter.segment(SLICE)
            assert {context.device for _, context, _ in machine.cuda.held.values()} == {1}
        assert main(["--rebuild", str(path), "--device", "cuda:1"]) == 0
        assert machine.tensorrt.built_on == [1]
        assert machine.cuda.initialised == {1}
        assert (machine.cuda.held, machine.cuda.misused, machine.tensorrt.alive) == ({}, [], [])


@pytest.mark.slow
def test_any_gpu_of_several_is_exported_for(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    with rehearsed(ORIN_NX, FakeGpu()) as machine:
        path = export(tiny_checkpoint_path, tmp_path / "bundle", "--device", "cuda:1")
        assert record_of(open_bundle(path), "fp16").gpu == FakeGpu().name
        assert choose(open_bundle(path), precision="fp16").device == "cuda:1", "the one that fits"
        assert machine.cuda.initialised == {1}
        with pytest.raises(IncompatibleError, match="another GPU"):
            miniseg_edge.load(path, "tensorrt", "cuda:0")
        assert main([str(tiny_checkpoint_path), "--target", "trt", "--device", "cuda:2", "--output", str(path)]) == 1


@pytest.mark.slow
def test_of_equal_gpus_the_one_that_is_asked_for_is_built_for_and_judged_on(
    tiny_checkpoint_path: Path, tmp_path: Path
) -> None:
    with rehearsed(FakeGpu(), FakeGpu()) as machine:
        export(tiny_checkpoint_path, tmp_path / "bundle", "--device", "cuda:1")
        assert machine.tensorrt.built_on == [1]
        assert machine.cuda.initialised == {1}


def test_a_gpu_that_is_not_there_is_refused_before_the_checkpoint_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path / "no.pth"), "--target", "trt", "--device", "cuda:9", "--output", str(tmp_path / "bundle")]
    with rehearsed():
        assert main(words) == 1
    assert "cuda:9" in capsys.readouterr().err


def test_who_forgets_to_close_gives_everything_back_from_any_thread(engines: Bundle, machine: Rehearsal) -> None:
    def forget() -> None:
        segmenter = miniseg_edge.load(engines, "tensorrt")
        segmenter.segment(SLICE)

    thread = threading.Thread(target=forget)
    thread.start()
    thread.join()
    machine.cuda.host_context(0)  # whatever is current where the collector runs
    gc.collect()
    assert machine.cuda.held == {}
    assert machine.cuda.misused == []


def test_another_driver_is_replayed_before_the_engine_is_used(
    engines: Bundle, machine: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launches() -> int:
        miniseg_edge.load(engines, "tensorrt").close()
        return machine.cuda.calls.count("cudaGraphLaunch")

    assert launches() == 0
    monkeypatch.setattr(machine_module, "driver_version", lambda: "999.99")
    assert launches() == len(engines.manifest.golden)
