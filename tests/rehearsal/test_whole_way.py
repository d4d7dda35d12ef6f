"""From `--target trt` to `segment` and `--rebuild`, with all but the GPU. It does not replace a test on hardware."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import InputError
from miniseg_edge.export.command import main
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.backends.cuda.lane_runtime import MOST_LANES
from miniseg_edge.runtimes.backends.tensorrt.engine_record import EngineRecord, engine_of
from miniseg_edge.runtimes.segment_command import main as segment
from miniseg_edge.slices.images import write_png
from tests.rehearsal.conftest import export
from tests.rehearsal.cuda import ORIN_NX, FakeGpu
from tests.rehearsal.machine import Rehearsal, rehearsed
from tests.rehearsal.tensorrt import BYTES_FOR_EACH_VALUE

SLICE = phantom(3, size=(32, 32)).image


def record_of(bundle: Bundle, precision: str = "fp32") -> EngineRecord:
    artifact = bundle.manifest.artifact("trt", precision)
    assert artifact is not None
    return engine_of(artifact)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "free"), [("10.3.0", False), ("10.3.0", True), ("10.16.1.11", True), ("11.4.0.106", False)]
)
def test_every_version_is_exported_segmented_and_rebuilt(
    tiny_checkpoint_path: Path, tmp_path: Path, version: str, free: bool
) -> None:
    words = ["--dynamic-batch", "--dynamic-size"] if free else []
    gpu = ORIN_NX if version == "10.3.0" else FakeGpu()
    write_png(tmp_path / "slices" / "a.png", SLICE)
    with rehearsed(gpu, version=version) as machine:
        path = export(tiny_checkpoint_path, tmp_path / "bundle", *words)
        record = record_of(open_bundle(path), "fp16")
        assert (record.version, record.gpu, record.multiprocessors) == (version, gpu.name, gpu.multiProcessorCount)
        assert record.engine_precisions is not None
        assert record.engine_precisions["fp16"] > record.engine_precisions["fp32"] > 0
        words = ["--runtime", "tensorrt", "--output", str(tmp_path / "masks")]
        assert segment([str(path), str(tmp_path / "slices"), *words]) == 0
        assert len(list((tmp_path / "masks").rglob("*.png"))) >= 1
        assert main(["--rebuild", str(path)]) == 0
        assert record_of(open_bundle(path), "fp16").judged_on == "artefact"
        assert (machine.cuda.held, machine.cuda.misused, machine.tensorrt.alive) == ({}, [], [])
        assert len(machine.tensorrt.loggers) == 1, "the library keeps the first, so there is one"


@pytest.mark.slow
def test_a_version_compatible_engine_can_be_opened_where_it_was_built_and_later(
    tiny_checkpoint_path: Path, tmp_path: Path
) -> None:
    with rehearsed(version="10.13.0.35"):
        path = export(tiny_checkpoint_path, tmp_path / "bundle", "--version-compatible")
    with rehearsed(version="10.16.1.11") as machine, miniseg_edge.load(path, "tensorrt") as segmenter:
        segmenter.segment(SLICE)
        golden = len(segmenter.bundle.manifest.golden)
        assert machine.cuda.calls.count("cudaGraphLaunch") == golden + 1, "another version: the golden slices first"


def test_threads_get_the_serial_results(engines: Bundle, machine: Rehearsal) -> None:
    work = [phantom(seed, size=(32, 32)).image for seed in range(16)]
    with miniseg_edge.load(engines, "tensorrt") as segmenter, miniseg_edge.load(engines, "openvino") as other:
        serial = [segmenter.segment(slice_).logit for slice_ in work]
        with ThreadPoolExecutor(8) as pool:
            for found, expected in zip(pool.map(segmenter.segment, work), serial, strict=True):
                np.testing.assert_array_equal(found.logit, expected)
        np.testing.assert_allclose(serial[0], other.segment(work[0]).logit, atol=1e-3)


@pytest.mark.slow
def test_a_free_shape_takes_memory_for_what_is_fed(any_size: Bundle, machine: Rehearsal) -> None:
    record = record_of(any_size)
    assert record.shapes is not None
    assert record.shapes.maximum == (4, 1, 1024, 1024)
    largest = 4 * 1024 * 1024 * BYTES_FOR_EACH_VALUE
    assert record.activation_bytes == largest
    with miniseg_edge.load(any_size, "tensorrt", streams=1) as segmenter:
        for side in (64, 48, 64):
            segmenter.runtime.infer(np.zeros((1, 1, side, side), np.float32))
            assert machine.cuda.bytes_on(0) < 2 * 64 * 64 * BYTES_FOR_EACH_VALUE < largest / 100
        with pytest.raises(InputError, match="does not support this shape"):
            segmenter.runtime.infer(np.zeros((5, 1, 64, 64), np.float32))


@pytest.mark.slow
def test_the_largest_memory_is_said_in_mb(
    tiny_checkpoint_path: Path, tmp_path: Path, machine: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    export(tiny_checkpoint_path, tmp_path / "bundle", "--dynamic-size")
    assert "a call takes up to 112 MB on the GPU, for (1, 1, 1024, 1024)" in capsys.readouterr().out


def test_one_engine_serves_slices_and_volumes_with_a_bounded_number_of_lanes(
    engines: Bundle, machine: Rehearsal
) -> None:
    with miniseg_edge.load(engines, "tensorrt") as segmenter:
        segmenter.segment(SLICE)
        assert len(list(segmenter.segment_many([SLICE] * 40))) == 40
        assert machine.tensorrt.alive.count("engine") == 1
        with ThreadPoolExecutor(3 * MOST_LANES) as pool:
            list(pool.map(segmenter.segment, [SLICE] * 100))
        assert machine.tensorrt.alive.count("context") <= MOST_LANES == 8


def test_a_rebuild_changes_nothing_but_the_record_and_the_digest(
    engine_path: Path, tmp_path: Path, machine: Rehearsal
) -> None:
    path = Path(shutil.copytree(engine_path, tmp_path / "bundle"))
    assert main(["--rebuild", str(path)]) == 0
    before, after = open_bundle(engine_path), open_bundle(path)
    assert after.contents["trt/model.onnx"] == before.contents["trt/model.onnx"]
    assert after.contents["trt/timing.cache"] != before.contents["trt/timing.cache"], "it was used, and grew"
    with miniseg_edge.load(after, "tensorrt") as segmenter:
        segmenter.segment(SLICE)
