"""A bundle with an engine, built for real by TensorRT for RTX, which needs no GPU for that."""

from pathlib import Path

import pytest

from miniseg_edge.export.command import main


@pytest.fixture(scope="session")
def engine_bundle_path(tiny_checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenVINO in FP32 beside an engine in what that takes where nothing is said. Read-only by agreement."""
    pytest.importorskip("tensorrt_rtx_bindings")
    output = tmp_path_factory.mktemp("engine") / "bundle"
    words = ["--target", "openvino", "--target", "trt-rtx", "--input-size", "32", "32"]
    assert main([str(tiny_checkpoint_path), *words, "--output", str(output)]) == 0
    return output
