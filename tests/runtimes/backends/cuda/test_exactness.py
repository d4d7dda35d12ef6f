"""FP32 on a GPU is FP32: vendors' defaults round to 10 bits, and move logits by 0.01."""

from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.backends.registry import entry_named
from tests.conftest import SIZE, lacks


@pytest.mark.gpu
@pytest.mark.parametrize("runtime", ["torch", "onnxruntime-cuda"])
def test_the_gpu_draws_what_the_cpu_draws(demo_bundle_path: Path, runtime: str) -> None:
    if runtime != "torch" and (reason := lacks(entry_named(runtime))):
        pytest.skip(reason)
    with (
        miniseg_edge.load(demo_bundle_path, "torch", "cpu") as reference,
        miniseg_edge.load(demo_bundle_path, runtime, "cuda:0") as segmenter,
    ):
        for seed in range(8):
            slice_ = phantom(seed, size=SIZE).image
            expected, found = reference.segment(slice_), segmenter.segment(slice_)
            assert np.abs(expected.logit - found.logit).max() < 2e-4
            assert not (expected.mask != found.mask)[np.abs(expected.logit) > 2e-4].any()
