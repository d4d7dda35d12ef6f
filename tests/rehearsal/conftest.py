"""Bundles that a rehearsed TensorRT built, and the machine that built them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("cuda.bindings.runtime")
pytest.importorskip("tensorrt_rtx_bindings")
pytest.importorskip("onnxruntime")

from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.export.command import main
from tests.conftest import made_once
from tests.rehearsal.machine import Rehearsal, rehearsed

SMALL = ["--input-size", "32", "32"]


def export(checkpoint: Path, output: Path, *words: str) -> Path:
    """`miniseg-export --target trt` on the machine that is there."""
    assert main([str(checkpoint), "--target", "trt", *SMALL, *words, "--output", str(output)]) == 0
    return output


@pytest.fixture
def machine() -> Iterator[Rehearsal]:
    """One GPU and TensorRT 11. Nothing may be left on it, or be used under another context than its own."""
    with rehearsed() as found:
        yield found
        assert found.cuda.misused == []
        assert found.cuda.held == {}
        assert found.tensorrt.alive == []


@pytest.fixture(scope="session")
def engine_path(tiny_checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenVINO and TensorRT 11.4, both in FP32, of the GPU that `machine` has. Read-only by agreement."""

    def make(path: Path) -> None:
        with rehearsed():
            export(tiny_checkpoint_path, path, "--target", "openvino", "--precision", "fp32")

    return made_once(tmp_path_factory, "rehearsed", make)


@pytest.fixture(scope="session")
def engines(engine_path: Path) -> Bundle:
    """The same, opened."""
    return open_bundle(engine_path)


@pytest.fixture(scope="session")
def any_size(tiny_checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An engine with free sides, in FP32."""

    def make(path: Path) -> None:
        with rehearsed():
            export(tiny_checkpoint_path, path, "--precision", "fp32", "--dynamic-batch", "--dynamic-size")

    return open_bundle(made_once(tmp_path_factory, "rehearsed-free", make))
