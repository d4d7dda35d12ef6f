"""Artefacts that are native code: who opens one runs what its maker wrote, and hears of it."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.compiled import ARTEFACT, Compiled, Requirements
from miniseg_edge.errors import BundleError, UnsafeModelError
from miniseg_edge.runtimes.backends.onnxruntime import OnnxRuntime
from miniseg_edge.runtimes.backends.registry import Choice, entry_named
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter

CODE = Compiled("library", "1.0", is_code=True, judged_on=ARTEFACT, sources=(), requires=Requirements())


class Library(OnnxRuntime):
    """As a runtime is whose artefacts are code: here no vendor's engine can run."""

    runs_code = True


def opened(bundle: Bundle, compiled: Compiled | None) -> Segmenter:
    entry = replace(entry_named("onnxruntime"), implementation=f"{__name__}:Library")
    artifact = bundle.manifest.artifact("onnx")
    assert artifact is not None
    return Segmenter(bundle, Choice(entry, "cpu", replace(artifact, compiled=compiled), "asked for"))


def test_it_is_told_in_the_log_and_in_each_result(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), opened(bundle, CODE) as segmenter:
        result = segmenter.segment(np.zeros((64, 64), np.uint8))
        volume = segmenter.segment_volume(np.zeros((2, 64, 64), np.uint8))
    assert "native code" in caplog.text
    assert result.unverified_code
    assert volume.unverified_code


def test_a_signature_that_was_checked_vouches_for_it(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), opened(replace(bundle, trusted=True), CODE) as segmenter:
        assert not segmenter.segment(np.zeros((64, 64), np.uint8)).unverified_code
    assert "native code" not in caplog.text


def test_data_needs_nobody_to_vouch_for_it(bundle: Bundle, bundle_path: Path) -> None:
    assert not bundle.trusted
    with miniseg_edge.load(bundle_path, "onnxruntime") as segmenter:
        assert not segmenter.segment(np.zeros((64, 64), np.uint8)).unverified_code


@pytest.mark.parametrize("compiled", [None, replace(CODE, is_code=False)])
def test_a_manifest_that_calls_code_data_is_refused(bundle: Bundle, compiled: Compiled | None) -> None:
    with pytest.raises(BundleError, match="misdescribes"):
        opened(bundle, compiled)


@pytest.mark.parametrize("is_code", [True, False])
@pytest.mark.parametrize(("runtime", "target"), [("onnxruntime", "onnx"), ("openvino", "openvino")])
def test_no_record_spares_a_model_its_admission(bundle: Bundle, runtime: str, target: str, is_code: bool) -> None:
    artifacts = tuple(
        replace(a, compiled=replace(CODE, is_code=is_code), operators=()) if a.target == target else a
        for a in bundle.manifest.artifacts
    )
    forged = replace(bundle, manifest=replace(bundle.manifest, artifacts=artifacts))
    with pytest.raises(BundleError if is_code else UnsafeModelError):
        miniseg_edge.load(forged, runtime)
