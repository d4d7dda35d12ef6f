"""The contract that every runtime keeps. A new backend adds its name here and nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights
from torch import nn

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.golden import golden_image, golden_logits
from miniseg_edge.errors import ClosedError, IncompatibleError, InferenceError, InputError, NumericError
from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import Source
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph, Feeding
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.export.targets import target_named
from miniseg_edge.host.dependencies import installed
from miniseg_edge.runtimes.backends.registry import choose, entry_named, registry
from miniseg_edge.training.networks.miniseg import MiniSeg
from tests.attacks.forging import recorded
from tests.conftest import runtime_parameters

RUNTIMES = ("native", "openvino", "onnxruntime", "torch", "onnxruntime-cuda", "tensorrt", "tensorrt-rtx")
ADDED = ("toy",) if installed("miniseg_toy") else ()
"""See tests/extension."""

pytestmark = pytest.mark.parametrize("runtime", runtime_parameters((*RUNTIMES, *ADDED)))


def slices(count: int, size: tuple[int, int] = (64, 64)) -> list[npt.NDArray[np.uint8]]:
    random = np.random.default_rng(7)
    return [random.integers(0, 256, size, dtype=np.uint8) for _ in range(count)]


def test_every_registered_runtime_is_tested(runtime: str) -> None:
    assert {entry.name for entry in registry()} == {*RUNTIMES, *ADDED}


def test_reproduces_the_golden_slices(bundle: Bundle, runtime: str) -> None:
    with miniseg_edge.load(bundle, runtime) as segmenter:
        for golden in bundle.manifest.golden:
            result = segmenter.segment(golden_image(bundle, golden))
            np.testing.assert_allclose(result.logit_maps, golden_logits(bundle, golden, (64, 64)), atol=1e-3)


@pytest.mark.slow
def test_serves_any_architecture_classes_and_size(odd_bundle: Bundle, runtime: str) -> None:
    with miniseg_edge.load(odd_bundle, runtime) as segmenter:
        for golden in odd_bundle.manifest.golden:
            result = segmenter.segment(golden_image(odd_bundle, golden))
            assert result.logit.shape == (2, 51, 70)
            np.testing.assert_allclose(result.logit_maps, golden_logits(odd_bundle, golden, (51, 70)), atol=1e-3)
            assert set(np.unique(result.mask)) <= {0, 1, 2}


def test_result_has_shapes_and_says_what_ran(bundle: Bundle, runtime: str) -> None:
    device = "cuda:0" if entry_named(runtime).needs_gpu else "cpu"
    with miniseg_edge.load(bundle, runtime, device=device, threads=1) as segmenter:
        result = segmenter.segment(slices(1)[0])
    assert result.mask.shape == result.logit.shape == (64, 64)
    assert str(result.mask.dtype) == "uint8"
    assert str(result.logit.dtype) == "float32"
    np.testing.assert_array_equal(result.mask, result.logit > 0)
    assert (result.runtime, result.device, result.precision) == (runtime, device, "fp32")
    assert result.bundle_digest == bundle.manifest.digest


def test_the_caller_owns_the_result(bundle: Bundle, runtime: str) -> None:
    first, second = slices(2)
    with miniseg_edge.load(bundle, runtime) as segmenter:
        result = segmenter.segment(first)
        mask, logit = result.mask.copy(), result.logit.copy()
        segmenter.segment(second)
    np.testing.assert_array_equal(result.mask, mask)
    np.testing.assert_array_equal(result.logit, logit)
    result.mask[:] = 0
    result.logit[:] = 0


def test_never_changes_its_input(bundle: Bundle, runtime: str) -> None:
    slice_ = slices(1)[0].astype(np.float32)
    before = slice_.copy()
    with miniseg_edge.load(bundle, runtime) as segmenter:
        segmenter.segment(slice_)
    np.testing.assert_array_equal(slice_, before)


def test_bytes_floats_and_views_are_one_slice(bundle: Bundle, runtime: str) -> None:
    slice_ = slices(1)[0]
    with miniseg_edge.load(bundle, runtime) as segmenter:
        expected = segmenter.segment(slice_).logit
        for same in (slice_.astype(np.float32), np.asfortranarray(slice_), np.repeat(slice_, 2, axis=1)[:, ::2]):
            np.testing.assert_array_equal(segmenter.segment(same).logit, expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 97), (63, 65), (200, 130)])
def test_other_sizes_come_back_in_their_size(bundle: Bundle, runtime: str, size: tuple[int, int]) -> None:
    with miniseg_edge.load(bundle, runtime) as segmenter:
        result = segmenter.segment(slices(1, size)[0])
    assert result.mask.shape == result.logit.shape == size


def test_the_same_slice_gives_the_same_bits(bundle: Bundle, runtime: str) -> None:
    slice_ = slices(1)[0]
    with miniseg_edge.load(bundle, runtime) as one, miniseg_edge.load(bundle, runtime) as other:
        results = [segmenter.segment(slice_).logit for segmenter in (one, one, other)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_many_threads_get_the_serial_results(bundle: Bundle, runtime: str) -> None:
    work = slices(24)
    with miniseg_edge.load(bundle, runtime, threads=1) as segmenter:
        serial = [segmenter.segment(slice_).logit for slice_ in work]
        with ThreadPoolExecutor(8) as pool:
            parallel = [result.logit for result in pool.map(segmenter.segment, work)]
    for one, other in zip(serial, parallel, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_many_slices_come_back_in_order_and_equal_to_the_bit(bundle: Bundle, runtime: str, streams: int) -> None:
    work = slices(11)
    with miniseg_edge.load(bundle, runtime, threads=streams, streams=streams) as segmenter:
        together = [result.logit for result in segmenter.segment_many(iter(work))]
        for slice_, logit in zip(work, together, strict=True):
            np.testing.assert_array_equal(segmenter.segment(slice_).logit, logit)


@pytest.mark.parametrize("streams", [1, 3])
def test_a_stream_gives_the_serial_results(bundle: Bundle, runtime: str, streams: int) -> None:
    work = slices(9)
    with miniseg_edge.load(bundle, runtime, threads=streams, streams=streams) as segmenter:
        for slice_, result in zip(work, segmenter.stream(iter(work)), strict=True):
            np.testing.assert_array_equal(result.logit, segmenter.segment(slice_).logit)
        hu = [slice_.astype(np.int16) * 6 - 1250 for slice_ in work]
        for slice_hu, result in zip(hu, segmenter.stream_hu(iter(hu)), strict=True):
            np.testing.assert_array_equal(result.logit, segmenter.segment_hu(slice_hu).logit)


@pytest.mark.parametrize("streams", [1, 3])
def test_slices_that_are_still_to_be_read_give_the_serial_results(bundle: Bundle, runtime: str, streams: int) -> None:
    hu = [slice_.astype(np.int16) * 6 - 1250 for slice_ in slices(9)]
    with miniseg_edge.load(bundle, runtime, threads=streams, streams=streams) as segmenter:
        for slice_hu, result in zip(hu[2:], segmenter.segment_read_hu(hu.__getitem__, range(2, 9)), strict=True):
            np.testing.assert_array_equal(result.logit, segmenter.segment_hu(slice_hu).logit)


def test_a_slice_that_cannot_be_read_comes_in_its_place(bundle: Bundle, runtime: str) -> None:
    hu = [slice_.astype(np.int16) * 6 - 1250 for slice_ in slices(3)]
    with miniseg_edge.load(bundle, runtime, threads=2, streams=2) as segmenter:
        results = segmenter.segment_read_hu(hu.__getitem__, range(9))
        assert len([next(results) for _ in hu]) == 3
        with pytest.raises(IndexError):
            next(results)
        assert segmenter.segment_hu(hu[0]).mask.shape == hu[0].shape  # the next call is not affected


def test_every_way_in_at_once_gives_the_serial_results(bundle: Bundle, runtime: str) -> None:
    """Several threads on one Segmenter, each with another way of handing slices over."""
    work = slices(16)
    with miniseg_edge.load(bundle, runtime, threads=2, streams=2) as segmenter:
        serial = [segmenter.segment(slice_).logit for slice_ in work]
        ways = (
            lambda: [segmenter.segment(slice_).logit for slice_ in work],
            lambda: [job.result().logit for job in [segmenter.submit(slice_) for slice_ in work]],
            lambda: [result.logit for result in segmenter.stream(work)],
            lambda: [result.logit for result in segmenter.segment_many(work)],
        )
        with ThreadPoolExecutor(8) as pool:
            found = [future.result() for future in [pool.submit(way) for way in ways * 2]]
    for one in found:
        np.testing.assert_array_equal(one, serial)


def test_closing_ends_a_stream_with_masks_or_closed(bundle: Bundle, runtime: str) -> None:
    work = slices(1)
    segmenter = miniseg_edge.load(bundle, runtime, threads=1)
    expected = segmenter.segment(work[0]).logit
    results = segmenter.stream(work[0] for _ in range(1000))
    np.testing.assert_array_equal(next(results).logit, expected)
    segmenter.close()
    rest: list[miniseg_edge.Segmentation] = []
    with pytest.raises(ClosedError):
        rest.extend(results)
    for result in rest:
        np.testing.assert_array_equal(result.logit, expected)


def test_a_bad_slice_among_many_stops_there(bundle: Bundle, runtime: str) -> None:
    work = [*slices(5), np.zeros((2, 2, 2), np.uint8), *slices(5)]
    seen: list[miniseg_edge.Segmentation] = []
    with miniseg_edge.load(bundle, runtime, streams=2) as segmenter:
        with pytest.raises(InputError):
            seen.extend(segmenter.segment_many(work))
        assert len(seen) == 5
        assert len(list(segmenter.segment_many(slices(4)))) == 4


def test_bad_input_is_refused_and_the_next_call_succeeds(bundle: Bundle, runtime: str) -> None:
    good = slices(1)[0]
    with miniseg_edge.load(bundle, runtime) as segmenter:
        expected = segmenter.segment(good).logit
        for bad in (good[None], good.astype(np.float64), np.full((64, 64), np.nan, np.float32)):
            with pytest.raises(InputError):
                segmenter.segment(bad)  # type: ignore[arg-type]
            np.testing.assert_array_equal(segmenter.segment(good).logit, expected)


def test_the_runtime_itself_checks_shape_and_dtype(bundle: Bundle, runtime: str) -> None:
    with miniseg_edge.load(bundle, runtime) as segmenter:
        for bad in (np.zeros((1, 1, 64, 65), np.float32), np.zeros((1, 1, 64, 64), np.float64)):
            with pytest.raises(InputError, match=r"expected \(1, 1, 64, 64\) float32"):
                segmenter.runtime.infer(bad)  # type: ignore[arg-type]


def test_closed_means_closed(bundle: Bundle, runtime: str) -> None:
    segmenter = miniseg_edge.load(bundle, runtime)
    engine = segmenter.runtime
    segmenter.close()
    segmenter.close()
    with pytest.raises(ClosedError):
        segmenter.segment(slices(1)[0])
    with pytest.raises(ClosedError):
        engine.infer(np.zeros((1, 1, 64, 64), np.float32))


def test_closing_while_busy_is_safe(bundle: Bundle, runtime: str) -> None:
    segmenter = miniseg_edge.load(bundle, runtime, threads=1)
    slice_ = slices(1)[0]
    expected = segmenter.segment(slice_).logit
    wrong: list[str] = []
    started = threading.Barrier(5)

    def work() -> None:
        started.wait()
        for _ in range(50):
            try:
                if not np.array_equal(segmenter.segment(slice_).logit, expected):
                    wrong.append("another result")
            except ClosedError:
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    segmenter.close()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_broken_artefact_is_a_typed_error(bundle: Bundle, runtime: str) -> None:
    artifact = choose(bundle, runtime).artifact
    broken = {name: bundle.contents[name][: len(bundle.contents[name]) // 2] for name in artifact.files}
    with pytest.raises((InferenceError, IncompatibleError), match=r"cannot open|is no"):
        miniseg_edge.load(replace(bundle, contents={**bundle.contents, **broken}), runtime)


def test_non_finite_output_is_discarded(bundle: Bundle, runtime: str) -> None:
    poisoned = replace(bundle, contents={**bundle.contents, **_poison(bundle, runtime)})
    if (target := entry_named(runtime).target) in ("onnx", "openvino"):
        poisoned = recorded(poisoned, target)
    with pytest.raises(NumericError), miniseg_edge.load(poisoned, runtime) as segmenter:
        segmenter.segment(slices(1)[0])


def _poison(bundle: Bundle, runtime: str) -> dict[str, bytes]:
    """Contents with which this runtime computes the logarithm of a negative number, or overflows."""
    if runtime == "torch":
        weights = load_weights(bundle.contents["reference/weights.safetensors"])
        huge = {key: value * 1e30 if value.is_floating_point() else value for key, value in weights.items()}
        return {"reference/weights.safetensors": save_weights(huge)}
    artifact = choose(bundle, runtime).artifact
    onnx, graph = OnnxModel(_logarithm().SerializeToString(), 1), _huge(bundle)
    source = Source(lambda: onnx, 0, bundle.manifest, graph=graph)
    built = target_named(artifact.target).builder().built(source, Build(artifact.target, "fp32"))
    return {name: built.files[name] for name in artifact.files}


def _huge(bundle: Bundle) -> DeploymentGraph:
    """Its network with weights that overflow after some layers, for targets that are written from the graph."""
    manifest = bundle.manifest
    assert manifest.network.architecture is not None
    network = MiniSeg(manifest.network.architecture)
    weights = load_weights(bundle.contents["reference/weights.safetensors"])
    network.load_state_dict(weights, strict=False)  # without the heads of training
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data *= 1e12
    preprocessing = manifest.preprocessing
    return DeploymentGraph(network.eval(), Feeding(preprocessing.statistics, manifest.interface, preprocessing.window))


def _logarithm() -> onnx.ModelProto:
    shape = [1, 1, 64, 64]
    nodes = [helper.make_node("Sub", ["slice", "big"], ["negative"]), helper.make_node("Log", ["negative"], ["logit"])]
    graph = helper.make_graph(
        nodes,
        "logarithm",
        [helper.make_tensor_value_info("slice", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, shape)],
        [helper.make_tensor("big", TensorProto.FLOAT, [], [1000.0])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
