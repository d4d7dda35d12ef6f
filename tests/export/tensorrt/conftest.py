"""`--target trt` as far as it goes where TensorRT cannot be had, and a bundle in INT8 that was made so."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge import training
from miniseg_edge.export.command import main
from miniseg_edge.phantoms import phantoms
from miniseg_edge.runtimes.backends.tensorrt import vendors
from miniseg_edge.slices.images import write_png

DEMO = Path(training.__file__).with_name("demo.pth")


@contextmanager
def trt_by_rtx() -> Iterator[None]:
    """`--target trt` is read and built by TensorRT for RTX, ahead of time: TensorRT's libraries cannot be had here."""
    pytest.importorskip("tensorrt_rtx_bindings")
    stand_in = replace(vendors.TENSORRT, modules=("tensorrt_rtx_bindings",), builds_ahead=True, tunes=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vendors, "VENDORS", (stand_in, vendors.TENSORRT_RTX))
        yield


@pytest.fixture(scope="session")
def int8_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo network, which segments phantoms, in INT8 for TensorRT. Read-only by agreement."""
    folder = tmp_path_factory.mktemp("int8")
    for item in phantoms(16, first_seed=300, size=(128, 128)):
        write_png(folder / "slices" / f"{item.name}.png", item.image)
    words = ["--target", "trt", "--precision", "int8", "--calibration", str(folder / "slices")]
    with trt_by_rtx():
        assert main([str(DEMO), *words, "--input-size", "128", "128", "--output", str(folder / "bundle")]) == 0
    return folder / "bundle"
