"""Which engine may be opened where: no GPU is needed to refuse one."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.errors import IncompatibleError
from miniseg_edge.export.tensorrt.engine_from_onnx import engine_from_onnx
from miniseg_edge.export.tensorrt.options import BY_DEFAULT
from miniseg_edge.runtimes.backends.cuda import lane_runtime
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu
from miniseg_edge.runtimes.backends.registry import choose
from miniseg_edge.runtimes.backends.tensorrt.admission import check_header, check_record, must_replay
from miniseg_edge.runtimes.backends.tensorrt.engine_record import EngineRecord
from miniseg_edge.runtimes.backends.tensorrt.logger import vendor_log
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT, TENSORRT_RTX
from tests.conftest import has_gpu
from tests.export.tensorrt.test_engine_from_onnx import task

ORIN = Gpu(0, "Orin", "8.7", "12.6", True, 8, 15_655_000_000, "540.4.0")  # as an Orin NX 16GB calls itself
HERE = EngineRecord(
    vendor="tensorrt", version="10.16.1.11", judged_on="artefact", system="linux-aarch64", gpu="Orin", driver="12.6",
    compute_capabilities=("8.7",), flags=(), tf32=False, hardware_compatibility="NONE", workspace_bytes=0,
    onnx="trt/model.onnx", timing_cache=None, network_precisions={"fp16": 9}, engine_precisions={"fp16": 9},
    shapes=None, multiprocessors=8, memory_bytes=15_655_000_000, driver_version="540.4.0",
)  # fmt: skip
AHEAD = replace(
    HERE, vendor="tensorrt_rtx", version="1.7.1.116", judged_on="source", system="linux-x86_64", gpu="", driver="",
    compute_capabilities=(), hardware_compatibility="", multiprocessors=0, memory_bytes=0, driver_version="",
)  # fmt: skip
ADA = Gpu(0, "NVIDIA RTX 4000 Ada Generation", "8.9", "13.0", integrated=False)
HOPPER = Gpu(0, "NVIDIA H200", "9.0", "13.0", integrated=False)
TURING = Gpu(0, "Quadro RTX 4000", "7.5", "13.0", integrated=False)


def opens(record: EngineRecord, gpu: Gpu, *, version: str = "", system: str = "") -> None:
    vendor = TENSORRT if record.vendor == "tensorrt" else TENSORRT_RTX
    check_record(vendor, record, version=version or record.version, system=system or record.system, gpu=gpu)


def test_an_engine_opens_where_it_was_built() -> None:
    opens(HERE, ORIN)


def test_an_engine_built_ahead_opens_on_ampere_and_later_on_linux_and_windows() -> None:
    opens(AHEAD, ADA)
    opens(AHEAD, ADA, system="windows-x86_64")


def test_an_engine_built_for_named_gpus_opens_on_those() -> None:
    opens(replace(AHEAD, compute_capabilities=("7.5", "8.9")), TURING)


def test_compatible_engines_go_as_far_as_they_say() -> None:
    opens(replace(HERE, hardware_compatibility="AMPERE_PLUS"), replace(ORIN, name="A2", compute_capability="8.6"))
    opens(replace(HERE, flags=("VERSION_COMPATIBLE",)), ORIN, version="10.17.0.5")


@pytest.mark.parametrize(
    ("record", "gpu", "here", "built_for", "found"),
    [
        (HERE, ORIN, {"version": "10.16.0.72"}, "TensorRT 10.16.1.11", "TensorRT 10.16.0.72"),
        (HERE, ORIN, {"version": "11.4.0.106"}, "TensorRT 10.16.1.11", "TensorRT 11.4.0.106"),
        (HERE, ORIN, {"system": "linux-x86_64"}, "linux-aarch64", "linux-x86_64"),
        (HERE, replace(ORIN, name="Thor", compute_capability="11.0"), {}, "Orin, compute capability 8.7", "Thor"),
        (HERE, replace(ORIN, name="Orin Nano"), {}, "Orin, compute", "Orin Nano, compute capability 8.7"),
        (replace(HERE, flags=("VERSION_COMPATIBLE",)), ORIN, {"version": "11.4.0.106"}, "10.16.1.11", "11.4.0.106"),
        (replace(HERE, flags=("VERSION_COMPATIBLE",)), ORIN, {"version": "10.15.0.1"}, "10.16.1.11", "10.15.0.1"),
        (replace(HERE, hardware_compatibility="AMPERE_PLUS"), TURING, {}, "8.0 or later", "Quadro RTX 4000"),
        (AHEAD, ADA, {"version": "1.6.1.120"}, "TensorRT for RTX 1.7.1.116", "TensorRT for RTX 1.6.1.120"),
        (AHEAD, TURING, {}, "8.0 or later", "Quadro RTX 4000, compute capability 7.5"),
        (AHEAD, HOPPER, {}, "8.9, 12.0, 12.1, or a later one", "NVIDIA H200, compute capability 9.0"),
        (replace(AHEAD, compute_capabilities=("8.6", "12.0")), ADA, {}, "8.6, 12.0", "compute capability 8.9"),
    ],
)
def test_a_foreign_engine_is_refused_and_both_sides_are_named(
    record: EngineRecord, gpu: Gpu, here: dict[str, str], built_for: str, found: str
) -> None:
    with pytest.raises(IncompatibleError) as caught:
        opens(record, gpu, **here)
    assert built_for in caught.value.expected
    assert found in caught.value.got
    assert "--rebuild" in caught.value.remedy


@pytest.mark.parametrize(
    "other",
    [
        replace(ORIN, multiprocessors=16, memory_bytes=64 * 10**9),  # AGX Orin 64GB
        replace(ORIN, memory_bytes=7_800_000_000),  # Orin Nano 8GB, with as many multiprocessors
        replace(ORIN, multiprocessors=7),
    ],
)
def test_another_module_of_the_same_name_is_another_gpu(other: Gpu) -> None:
    with pytest.raises(IncompatibleError, match=rf"8 multiprocessors, .*{other.multiprocessors} multiprocessors"):
        opens(HERE, other)


def test_memory_that_the_system_keeps_for_itself_makes_no_other_gpu() -> None:
    opens(HERE, replace(ORIN, memory_bytes=15_000_000_000))


SEEN = replace(AHEAD, judged_on="artefact", gpu=ADA.name, driver=ADA.driver)


@pytest.mark.parametrize("record", [HERE, SEEN], ids=["tensorrt", "tensorrt-rtx"])
def test_what_is_another_than_in_the_record_is_replayed_for_every_vendor(record: EngineRecord) -> None:
    gpu = ORIN if record is HERE else ADA
    assert not must_replay(record, version=record.version, gpu=gpu)
    assert must_replay(record, version="99.0", gpu=gpu)
    for change in ({"name": "x"}, {"multiprocessors": 3}, {"driver": "99.0"}, {"driver_version": "999.1"}):
        assert must_replay(record, version=record.version, gpu=replace(gpu, **change))
    assert must_replay(replace(record, judged_on="source"), version=record.version, gpu=gpu)


def test_the_makers_next_gpus_are_served() -> None:
    opens(AHEAD, replace(ADA, name="the next one", compute_capability="13.0"))


@pytest.mark.slow
def test_auto_passes_over_an_engine_that_this_gpu_cannot_run(
    engine_bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = open_bundle(engine_bundle_path)
    exact = tuple(replace(a, precision="fp32") for a in bundle.manifest.artifacts)
    bundle = replace(bundle, manifest=replace(bundle.manifest, artifacts=exact))
    monkeypatch.setattr(lane_runtime, "on_device", lambda index: nullcontext())
    for gpu, wanted in ((ADA, "tensorrt-rtx"), (HOPPER, "openvino")):
        monkeypatch.setattr(lane_runtime, "gpus", lambda gpu=gpu: (gpu,))
        monkeypatch.setattr(lane_runtime, "gpu_named", lambda device, gpu=gpu: gpu)
        choice = choose(bundle)
        assert choice.entry.name == wanted
        assert ("tensorrt-rtx: TensorRT for RTX does not support this GPU" in choice.reason) == (gpu is HOPPER)
    assert choose(bundle, "tensorrt-rtx").entry.name == "tensorrt-rtx", "asked for: the error is the engine's own"


def test_an_engine_of_the_other_vendor_is_refused() -> None:
    with pytest.raises(IncompatibleError, match="expected tensorrt_rtx, got tensorrt"):
        check_record(TENSORRT_RTX, HERE, version="1", system=HERE.system, gpu=ADA)


@pytest.fixture(scope="module")
def data() -> bytes:
    """An engine that TensorRT for RTX built here."""
    pytest.importorskip("tensorrt_rtx_bindings")
    return engine_from_onnx(TENSORRT_RTX, task(), BY_DEFAULT, lambda said: None).data


def look(data: bytes) -> None:
    """What TensorRT for RTX itself says of an engine, before any GPU is asked."""
    trt = TENSORRT_RTX.module()
    log = vendor_log(trt)
    check_header(TENSORRT_RTX, trt.Runtime(log.handle), log, data)


@pytest.mark.parametrize("change", ["foreign", "empty", "first byte"])
def test_what_is_no_engine_is_refused(data: bytes, change: str) -> None:
    changed = {"foreign": b"ftrt" * 100, "empty": b"", "first byte": bytes([data[0] ^ 255]) + data[1:]}
    with pytest.raises(IncompatibleError, match="MALFORMED_ENGINE"):
        look(changed[change])


@pytest.mark.skipif(has_gpu(), reason="what happens where there is no GPU")
def test_a_whole_engine_is_refused_for_the_machine_alone(data: bytes) -> None:
    with pytest.raises(IncompatibleError) as caught:
        look(data)
    assert "MALFORMED" not in caught.value.because
    assert "driver" in caught.value.because
