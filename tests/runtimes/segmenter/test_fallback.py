"""A declared fallback: the first that opens is taken, and every result says why not those before."""

from dataclasses import replace

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import RuntimeUnavailableError, UsageError
from miniseg_edge.phantoms import phantom
from tests.runtimes.backends.test_registry import without

SLICE = phantom(4, size=(64, 64)).image


def broken(bundle: Bundle, target: str) -> Bundle:
    (artifact,) = (a for a in bundle.manifest.artifacts if a.target == target)
    cut = {name: bundle.contents[name][:50] for name in artifact.files}
    return replace(bundle, contents={**bundle.contents, **cut})


def test_the_first_that_serves_is_taken_and_nothing_is_passed_over(bundle: Bundle) -> None:
    with miniseg_edge.load(bundle, ["onnxruntime", "openvino"]) as segmenter:
        result = segmenter.segment(SLICE)
    assert (result.runtime, result.passed_over) == ("onnxruntime", ())


def test_every_result_says_who_ran_and_why_not_those_before(bundle: Bundle) -> None:
    with miniseg_edge.load(without(bundle, "openvino"), ["openvino", "onnxruntime"]) as segmenter:
        results: list[miniseg_edge.Segmentation | miniseg_edge.VolumeSegmentation] = [
            segmenter.segment(SLICE),
            segmenter.segment_volume(SLICE[None]),
            segmenter.submit(SLICE).result(),
            next(segmenter.stream([SLICE])),
        ]
    for result in results:
        assert result.runtime == "onnxruntime"
        (reason,) = result.passed_over
        assert reason.startswith("openvino: RUNTIME_UNAVAILABLE")
        assert "the bundle has no openvino artefact" in reason


def test_an_artefact_that_does_not_open_is_passed_over_too(bundle: Bundle) -> None:
    with miniseg_edge.load(broken(bundle, "onnx"), ("onnxruntime", "openvino")) as segmenter:
        result = segmenter.segment(SLICE)
    assert result.runtime == "openvino"
    assert result.passed_over[0].startswith("onnxruntime: INCOMPATIBLE")
    with miniseg_edge.load(bundle, "openvino") as alone:
        np.testing.assert_array_equal(result.logit, alone.segment(SLICE).logit)


def test_a_device_that_none_has(bundle: Bundle) -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"no device cuda:99 here.*no device cuda:99 here"):
        miniseg_edge.load(bundle, ["openvino", "onnxruntime"], device="cuda:99")


def test_nothing_that_was_not_declared_is_taken(bundle: Bundle) -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"openvino: .*no openvino artefact.*onnxruntime: .*no onnx"):
        miniseg_edge.load(without(bundle, "openvino", "onnx"), ["openvino", "onnxruntime"])
    with pytest.raises(RuntimeUnavailableError):
        miniseg_edge.load(bundle, [])


def test_a_name_that_nobody_has_is_no_fallback(bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="tflite"):
        miniseg_edge.load(bundle, ["openvino", "tflite"])
