import math
from dataclasses import replace
from pathlib import Path

import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import RuntimeUnavailableError, UsageError
from miniseg_edge.native.binding import library
from miniseg_edge.runtimes.backends import native
from miniseg_edge.runtimes.backends.registry import RuntimeEntry, choose, registry
from tests.conftest import runtime_parameters


def without(bundle: Bundle, *targets: str) -> Bundle:
    kept = tuple(a for a in bundle.manifest.artifacts if a.target not in targets)
    return replace(bundle, manifest=replace(bundle.manifest, artifacts=kept))


def test_auto_takes_the_first_that_can_serve_and_says_why(bundle: Bundle) -> None:
    assert choose(bundle).entry.name == "native"
    assert choose(without(bundle, "native")).entry.name == "openvino"
    choice = choose(without(bundle, "native", "openvino"))
    assert (choice.entry.name, choice.reason) == ("onnxruntime", "first in order of speed")


def test_auto_never_takes_the_reference(bundle: Bundle) -> None:
    with pytest.raises(RuntimeUnavailableError, match="no onnx artefact"):
        choose(without(bundle, "native", "openvino", "onnx"))


def test_what_was_asked_for_is_taken_or_refused(bundle: Bundle) -> None:
    assert choose(bundle, "torch").entry.name == "torch"
    with pytest.raises(RuntimeUnavailableError, match="the bundle has no onnx artefact"):
        choose(without(bundle, "onnx"), "onnxruntime")


def test_an_unknown_runtime_names_the_known_ones(bundle: Bundle) -> None:
    with pytest.raises(
        UsageError, match="auto, tensorrt, tensorrt-rtx, native, openvino, onnxruntime, onnxruntime-cuda, torch"
    ):
        choose(bundle, "tflite")


@pytest.mark.parametrize("runtime", runtime_parameters(["auto", *(entry.name for entry in registry())]))
def test_a_device_that_is_not_here_is_refused_never_replaced(bundle: Bundle, runtime: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match="cuda:99"):
        choose(bundle, runtime, "cuda:99")


def test_a_missing_package_is_one_line_with_the_install(bundle: Bundle) -> None:
    entry = RuntimeEntry(
        "imaginary", "onnx", "miniseg_edge.runtimes.backends.torch:TorchReference", "no_such_package", "imaginary"
    )
    assert entry.obstacle(bundle) == 'no_such_package is not installed (pip install "miniseg-edge[imaginary]")'


@pytest.mark.parametrize("deadline_s", [0, -1.0, math.nan, math.inf, 1e300, True, "5"])
def test_deadlines_of_opening_are_checked(bundle: Bundle, deadline_s: object) -> None:
    with pytest.raises(UsageError, match="the deadline is invalid"):
        miniseg_edge.load(bundle, deadline_s=deadline_s)  # type: ignore[arg-type]


def test_a_runtime_of_ours_alone_needs_no_package(bundle: Bundle) -> None:
    entry = RuntimeEntry("ours", "onnx", "miniseg_edge.runtimes.backends.torch:TorchReference")
    assert entry.obstacle(bundle) is None
    assert replace(entry, target="imaginary").obstacle(bundle) == "the bundle has no imaginary artefact"


def test_a_package_that_no_extra_installs_is_named_alone(bundle: Bundle) -> None:
    entry = RuntimeEntry("theirs", "onnx", "miniseg_edge.runtimes.backends.torch:TorchReference", "no_such_package")
    assert entry.obstacle(bundle) == "no_such_package is not installed"


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, 10**6])
def test_threads_make_sense_or_are_refused(bundle: Bundle, threads: object) -> None:
    with pytest.raises(UsageError, match="threads"):
        miniseg_edge.load(bundle, threads=threads)  # type: ignore[arg-type]


def test_the_segmenter_says_what_it_chose(bundle: Bundle) -> None:
    with miniseg_edge.load(bundle) as segmenter:
        assert str(segmenter) == "native fp32 on cpu (first in order of speed)"


def test_where_the_library_is_missing_the_next_runtime_is_taken_and_why_is_said(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "library", lambda: library(Path("no-such-library.so")))
    choice = choose(bundle)
    assert choice.entry.name == "openvino"
    assert "native: libminiseg cannot be loaded" in choice.reason
    assert "no-such-library.so" in choice.reason
    with pytest.raises(RuntimeUnavailableError, match="libminiseg cannot be loaded"):
        choose(bundle, "native")


def test_a_plan_of_another_version_is_passed_over(bundle: Bundle) -> None:
    (plan,) = (artifact for artifact in bundle.manifest.artifacts if artifact.target == "native")
    assert plan.compiled is not None
    newer = replace(plan, compiled=replace(plan.compiled, details={"plan_version": 99}))
    others = without(bundle, "native").manifest.artifacts
    choice = choose(replace(bundle, manifest=replace(bundle.manifest, artifacts=(newer, *others))))
    assert choice.entry.name == "openvino"
    assert "native: the plan has version 99, and this installation reads 1" in choice.reason
