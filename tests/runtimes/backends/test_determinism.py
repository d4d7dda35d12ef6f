"""docs/determinism.md, held: what leaves a slice's logits as they are, bit for bit, and what the rest does to them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.export.demo import CHECKPOINT, PLAN
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.parity.comparison import ParityLimits
from miniseg_edge.phantoms import phantoms
from miniseg_edge.slices.images import write_png
from tests.conftest import SIZE
from tests.determinism import HERE, ONE_THREAD, QEMU, SWITCHED, Difference, difference, differences

BATCH = "place in a batch"
SAME_BITS = {*HERE, ONE_THREAD, "another process"} - {BATCH}
TRIED = ("another process", "AVX2")
ROUNDING = 1e-3
"""Largest difference of FP32 logits on other instructions: what the parity gate calls a near-tie."""


@pytest.fixture(scope="module")
def every_precision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo checkpoint in FP32, and in INT8 where there is such a target."""
    folder = tmp_path_factory.mktemp("determinism")
    for item in phantoms(16, first_seed=300, size=SIZE):
        write_png(folder / "slices" / f"{item.name}.png", item.image)
    lenient = {"fp32": ParityLimits(), "int8": ParityLimits(max_real_flips=None)}  # so small, one pixel weighs much
    request = ExportRequest(
        CHECKPOINT, folder / "bundle", ("native", "onnx", "openvino"), ("fp32", "int8"), size=SIZE, limits=lenient,
        calibration=folder / "slices", quantization=PLAN,
    )  # fmt: skip
    assert export_bundle(request).bundle is not None
    return folder / "bundle"


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo checkpoint with any number of slices in a call."""
    output = tmp_path_factory.mktemp("batches") / "bundle"
    request = ExportRequest(
        CHECKPOINT, output, ("native", "onnx", "openvino"), ("fp32",), size=SIZE, dynamic_batch=True
    )
    assert export_bundle(request).bundle is not None
    return output


def check(told: dict[str, Difference | str], runtime: str, precision: str) -> None:
    """Same bits on the same machine, slice by slice; in a batch and on other instructions, within rounding in FP32.

    torch divides a sum among its threads otherwise: its bits depend on their number, within rounding.
    """
    same = SAME_BITS - ({ONE_THREAD} if runtime == "torch" else set())
    differing = {name: str(told[name]) for name in same & told.keys() if str(told[name]) != "same bits"}
    assert differing == {}
    for name, found in told.items():
        if isinstance(found, Difference) and precision == "fp32":
            assert found.largest < ROUNDING, name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "precision"),
    [
        ("native", "fp32"),
        *((runtime, precision) for runtime in ("openvino", "onnxruntime") for precision in ("fp32", "int8")),
        ("torch", "fp32"),
    ],
)
def test_the_table(every_precision: Path, runtime: str, precision: str) -> None:
    told = differences(every_precision, runtime, precision, TRIED)
    assert told.keys() == {*HERE, ONE_THREAD, *TRIED} - {BATCH}
    assert isinstance(told["AVX2"], Difference) == (runtime in SWITCHED)
    check(told, runtime, precision)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(QEMU) is None, reason="needs QEMU's user emulation")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_processor_that_is_not_there(every_precision: Path, precision: str) -> None:
    """ONNX Runtime has no switch: it is shown a processor with fewer instructions."""
    told = differences(every_precision, "onnxruntime", precision, ["AVX, emulated"])
    assert isinstance(told["AVX, emulated"], Difference)
    check(told, "onnxruntime", precision)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["native", "openvino", "onnxruntime"])
def test_a_place_in_a_batch(batches: Path, runtime: str) -> None:
    told = differences(batches, runtime, "fp32", ())
    assert isinstance(told[BATCH], Difference)
    assert str(told[BATCH]) == "same bits" or runtime != "native"
    check(told, runtime, "fp32")


def test_a_difference_is_seen() -> None:
    first = [np.array([[[-1.0, 1.0], [2.0, -1e-6]]], np.float32)]
    other = [first[0] + np.array([[[0.0, 0.25], [0.0, 2e-6]]], np.float32)]
    assert str(difference(first, first)) == "same bits"
    found = difference(other, first)
    assert (found.largest, found.changed_pixels) == (0.25, 1)
    assert found.worst_dice == pytest.approx(0.8)
    assert str(found) == "2.5e-01, 1 px, Dice 0.8000"
