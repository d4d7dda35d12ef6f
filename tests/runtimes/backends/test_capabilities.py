"""What runtimes tell of their own speed, asked of real artefacts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.golden import golden_image
from miniseg_edge.errors import InferenceError
from miniseg_edge.runtimes.backends.capabilities import DenseChain
from miniseg_edge.runtimes.backends.interface import Runtime
from miniseg_edge.runtimes.backends.openvino import _shares
from miniseg_edge.runtimes.backends.registry import entry_named, registry
from miniseg_edge.slices.preprocessing import FloatArray

CHAIN = DenseChain(channels=4, side=8, layers=2)
ON_CPU = [entry.name for entry in registry() if not entry.needs_gpu]


def convolved(values: FloatArray, weights: FloatArray) -> FloatArray:
    """(C, H, W) through a 3x3 convolution with zeros around, in float64, written out."""
    padded = np.pad(values.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    height, width = values.shape[1:]
    terms = [
        np.einsum("oi,ihw->ohw", weights[:, :, y, x], padded[:, y : y + height, x : x + width])
        for y in range(3)
        for x in range(3)
    ]
    return np.asarray(np.sum(terms, axis=0), np.float32)


def runtime(name: str) -> type[Runtime]:
    return entry_named(name).load()


@pytest.mark.parametrize("name", ["native", "openvino", "onnxruntime"])
def test_the_dense_chain_is_compiled_as_it_is_described(name: str) -> None:
    values = np.random.default_rng(2).random(CHAIN.shape, np.float32)
    run = runtime(name).dense(CHAIN, "fp32", 1)
    assert run is not None
    found = np.asarray(run(values)[0])  # type: ignore[index]
    expected = values[0]
    for _ in range(CHAIN.layers):
        expected = convolved(expected, CHAIN.weights())
    np.testing.assert_allclose(found[0], expected, atol=1e-4)
    assert CHAIN.macs == 2 * 4 * 4 * 9 * 8 * 8


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_the_vendors_profiler_times_the_artefacts_convolutions(bundle: Bundle, name: str) -> None:
    artifact = entry_named(name).artifact(bundle)
    assert artifact is not None
    image = golden_image(bundle, bundle.manifest.golden[0]).astype(np.float32)[None, None]
    times = runtime(name).operator_times(bundle, artifact, image)
    assert times is not None
    assert sum("Conv" in time.kind for time in times) > 10
    assert min(time.ms for time in times) >= 0


def test_the_native_library_times_its_layers(bundle: Bundle) -> None:
    artifact = entry_named("native").artifact(bundle)
    assert artifact is not None
    image = golden_image(bundle, bundle.manifest.golden[0]).astype(np.float32)[None, None]
    times = runtime("native").operator_times(bundle, artifact, image)
    assert times is not None
    assert (times[0].name, times[-1].name) == ("slice", "between layers")
    assert sum(time.kind == "pyramid" for time in times) > 3
    assert all(time.ms > 0 for time in times if time.kind != "mask")


def test_openvino_runs_an_fp32_artefact_in_fp32(bundle: Bundle) -> None:
    artifact = entry_named("openvino").artifact(bundle, "fp32")
    assert artifact is not None
    image = golden_image(bundle, bundle.manifest.golden[0]).astype(np.float32)[None, None]
    files = [bundle.contents[name] for name in artifact.files]
    shares = runtime("openvino").precision_shares(files, "fp32", image)
    assert shares is not None
    assert next(share.time_share for share in shares if share.precision == "fp32") > 0.9
    assert sum(share.time_share for share in shares) == pytest.approx(1)


def test_a_device_without_counters_is_an_error() -> None:
    with pytest.raises(InferenceError, match="no counters"):
        _shares([])


@pytest.mark.parametrize("threads", [None, 3])
def test_openvinos_program_takes_the_artefact_as_single_stream_does(threads: int | None, tmp_path: Path) -> None:
    program = runtime("openvino").vendor_program([tmp_path / "m.xml", tmp_path / "m.bin"], "int8", threads, 0.2)
    assert program is not None
    words = program.command(tmp_path)
    assert words[0] == "benchmark_app"
    assert value(words, "-m") == str(tmp_path / "m.xml")
    assert value(words, "-infer_precision") == "f32"
    assert value(words, "-t") == "1"
    assert value(words, "-report_folder") == str(tmp_path)
    assert ("-nthreads" in words) == (threads is not None)
    (tmp_path / "benchmark_report.json").write_text('{"execution_results": {"latency (ms)": "1.25"}}')
    assert program.median_ms(tmp_path) == 1.25


def value(words: Sequence[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_what_a_runtime_cannot_tell_is_none(bundle: Bundle) -> None:
    """The reference tells nothing; nor does a backend that only opens and infers."""
    torch = runtime("torch")
    artifact = entry_named("torch").artifact(bundle)
    assert artifact is not None
    values = np.zeros((1, 1, 64, 64), np.float32)
    assert torch.operator_times(bundle, artifact, values) is None
    assert torch.precision_shares([], "fp32", values) is None
    assert torch.dense(CHAIN, "fp32", None) is None
    assert torch.vendor_program([], "fp32", None, 1.0) is None
    assert torch.dense_precisions == ()


@pytest.mark.parametrize("name", ON_CPU)
def test_dense_compiles_in_the_precisions_that_it_names(name: str) -> None:
    for precision in runtime(name).dense_precisions:
        run = runtime(name).dense(CHAIN, precision, 1)
        assert run is not None
        run(np.zeros(CHAIN.shape, np.float32))
