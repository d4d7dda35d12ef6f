from dataclasses import replace

import pytest

import miniseg_edge
from miniseg_edge.bundle import Bundle
from miniseg_edge.errors import RuntimeUnavailableError, UsageError
from miniseg_edge.runtimes.registry import REGISTRY, RuntimeEntry, choose
from tests.conftest import runtime_parameters


def without(bundle: Bundle, *targets: str) -> Bundle:
    kept = tuple(a for a in bundle.manifest.artifacts if a.target not in targets)
    return replace(bundle, manifest=replace(bundle.manifest, artifacts=kept))


def test_auto_takes_the_first_that_can_serve_and_says_why(bundle: Bundle) -> None:
    assert choose(bundle).entry.name == "openvino"
    choice = choose(without(bundle, "openvino"))
    assert (choice.entry.name, choice.reason) == ("onnxruntime", "first in order of speed")


def test_auto_never_takes_the_reference(bundle: Bundle) -> None:
    with pytest.raises(RuntimeUnavailableError, match="no onnx artefact"):
        choose(without(bundle, "openvino", "onnx"))


def test_what_was_asked_for_is_taken_or_refused(bundle: Bundle) -> None:
    assert choose(bundle, "torch").entry.name == "torch"
    with pytest.raises(RuntimeUnavailableError, match="the bundle has no onnx artefact"):
        choose(without(bundle, "onnx"), "onnxruntime")


def test_an_unknown_runtime_names_the_known_ones(bundle: Bundle) -> None:
    with pytest.raises(
        UsageError, match="auto, tensorrt, tensorrt-rtx, openvino, onnxruntime, onnxruntime-cuda, torch"
    ):
        choose(bundle, "tflite")


@pytest.mark.parametrize("runtime", runtime_parameters(["auto", *(entry.name for entry in REGISTRY)]))
def test_a_device_that_is_not_here_is_refused_never_replaced(bundle: Bundle, runtime: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match="cuda:99"):
        choose(bundle, runtime, "cuda:99")


def test_a_missing_package_is_one_line_with_the_install(bundle: Bundle) -> None:
    entry = RuntimeEntry(
        "imaginary", "onnx", "miniseg_edge.runtimes.torch:TorchReference", "no_such_package", "imaginary"
    )
    assert entry.obstacle(bundle) == 'no_such_package is not installed (pip install "miniseg-edge[imaginary]")'


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, 10**6])
def test_threads_make_sense_or_are_refused(bundle: Bundle, threads: object) -> None:
    with pytest.raises(UsageError, match="threads"):
        miniseg_edge.load(bundle, threads=threads)  # type: ignore[arg-type]


def test_the_segmenter_says_what_it_chose(bundle: Bundle) -> None:
    with miniseg_edge.load(bundle) as segmenter:
        assert str(segmenter) == "openvino fp32 on cpu (first in order of speed)"
