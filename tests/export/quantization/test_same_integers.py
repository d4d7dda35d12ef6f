"""The same graph and slices give the same artefacts on every machine: held in processes to which other processors are
played, and against digests that are stored here."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.export.quantization.groups import multiplications
from miniseg_edge.export.quantization.int8 import scheme_of
from miniseg_edge.export.quantization.quantizer import Quantizer
from miniseg_edge.export.quantization.search.noise import Judge, Slice
from miniseg_edge.export.quantization.search.search import ladder_of
from miniseg_edge.export.targets import target_named
from miniseg_edge.parity.comparison import DEFAULT_LIMITS
from miniseg_edge.slices.preprocessing import FloatArray
from tests.export.quantization import by_hand, networks
from tests.export.quantization.by_hand import graph_by_hand, inputs

TARGETS = ("openvino", "trt")
SLICES = 4

STORED = {
    "openvino": "38d806de006ea35a3ef61faee55dc0b7a004e394bc4d59b77f3bf72cc6542466",
    "trt": "d431a8d26ddc91eba43b50295889f54d169ebc55077a1ee96e2d081cfc8f5a90",
}
"""Of the integers, steps and biases of `graph_by_hand`. They were made on an Intel processor with AVX-512. They change
with what makes integers (equalisation, rounding, ranges, the evaluator's operators) and with `by_hand`; not with the
processor, the number of threads, the system, or a version of Python, NumPy or ONNX. Who changes them says why."""

OLD = {
    "OPENBLAS_CORETYPE": "Prescott",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
}
RECENT = {
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
}
"""SSE2 and AVX2: by these, libraries take other kernels than this machine's own. What one does not know it ignores."""


@cache
def quantized_by_hand(target: str) -> Quantizer:
    return Quantizer.of(graph_by_hand(), inputs(SLICES), scheme_of(target), grey=True)


def integers_digest(target: str) -> str:
    """Of what is rounded, convolution by convolution."""
    found, digest = quantized_by_hand(target), hashlib.sha256()
    reads = {node.name: node.input[0] for node in found.exact.graph.node}
    for name in sorted(found.weights):
        weights, step = found.weights[name], found.steps[reads[name]]
        for values in (weights.integers, weights.scales, weights.bias, *step.constants):
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


@cache
def of_graph_by_hand() -> dict[str, object]:
    """Digests of the artefacts, and what the choice of groups hangs on, to the last bit."""
    found: dict[str, object] = {}
    for target in TARGETS:
        quantizer = quantized_by_hand(target)
        groups = tuple(quantizer.groups)
        model = quantizer.quantized(groups, by_hand.INPUT, by_hand.OUTPUT)
        judge = Judge.of(quantizer, groups, slices(), DEFAULT_LIMITS["int8"])
        ladder = ladder_of(groups, judge.alone, multiplications(quantizer.exact, quantizer.groups))
        noise = {group: value.hex() for group, value in judge.alone.items()}
        found[target] = [hashlib.sha256(model.data).hexdigest(), noise, list(map(list, ladder)), repr(judge(groups))]
    return found


def slices() -> Sequence[Slice]:
    def off(value: FloatArray) -> FloatArray:
        return np.asarray(np.abs(value - np.float32(1)), np.float32)

    return [Slice(str(index), value, off(value)) for index, value in enumerate(inputs(SLICES))]


@cache
def of_exported_graphs() -> dict[str, object]:
    """Digests of FP32 graphs as torch exports them, and of what they become in INT8."""
    found: dict[str, object] = {}
    for target in TARGETS:
        exact: OnnxModel = networks.graph(target_named(target).form("int8"))
        quantizer = Quantizer.of(exact, inputs(SLICES, networks.SIZE), scheme_of(target), grey=True)
        ends = networks.manifest()
        int8 = quantizer.quantized(tuple(quantizer.groups), ends.input, ends.output)
        found[target] = [hashlib.sha256(model.data).hexdigest() for model in (exact, int8)]
    return found


def of_integers() -> dict[str, object]:
    """What is stored, as this processor makes it."""
    return {target: integers_digest(target) for target in TARGETS}


def elsewhere(function: Callable[[], dict[str, object]], environment: dict[str, str], *emulator: str) -> object:
    """What a function of this module gives in a process of its own."""
    script = (
        "import json; from tests.export.quantization import test_same_integers as here; "
        f"print(json.dumps(here.{function.__name__}()))"
    )
    command = [*emulator, sys.executable, "-c", script]
    shown = subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    return json.loads(shown.stdout.splitlines()[-1])


@pytest.mark.parametrize("target", TARGETS)
def test_the_integers_are_those_of_every_other_machine(target: str) -> None:
    assert integers_digest(target) == STORED[target]


@pytest.mark.slow
def test_other_kernels_and_threads_give_the_same_bytes() -> None:
    with ThreadPoolExecutor() as threads:
        for found in threads.map(lambda environment: elsewhere(of_graph_by_hand, environment), (OLD, RECENT)):
            assert found == of_graph_by_hand()


@pytest.mark.slow
@pytest.mark.parametrize("environment", [OLD, RECENT], ids=["old", "recent"])
def test_exported_graphs_have_the_same_bytes_as_well(environment: dict[str, str]) -> None:
    assert elsewhere(of_exported_graphs, environment) == of_exported_graphs()


@pytest.mark.slow
def test_another_processor_gives_the_same_integers() -> None:
    """One without AVX2 and fused multiply-adds; the whole files are compared with the kernels of `RECENT` and `OLD`."""
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        pytest.skip("qemu-x86_64, which plays other processors, is not installed")
    assert elsewhere(of_integers, {}, emulator, "-cpu", "Nehalem") == STORED
