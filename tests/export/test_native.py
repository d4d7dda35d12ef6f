"""Plans as artefacts: written from the graph alone, data, the same bytes each time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.bundle.compiled import ARTEFACT, Compiled, Requirements
from miniseg_edge.errors import UsageError
from miniseg_edge.export import artifacts
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.native.binding import Model
from miniseg_edge.native.profile import profiled
from miniseg_edge.phantoms import phantom
from tests.conftest import SIZE


@pytest.fixture
def wanted(tiny_checkpoint_path: Path, tmp_path: Path) -> ExportRequest:
    return ExportRequest(tiny_checkpoint_path, tmp_path / "bundle", ("native",), size=SIZE)


def test_no_onnx_is_written_for_it(wanted: ExportRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(artifacts, "onnx_from_graph")
    (parity,) = export_bundle(wanted).parities
    assert (parity.target, parity.precision, parity.passed, parity.real_flips) == ("native", "fp32", True, 0)
    again = replace(wanted, output=wanted.output.with_name("again"))
    export_bundle(again)
    first, second = (open_bundle(one.output).contents["native/model.miniseg"] for one in (wanted, again))
    assert first == second


def test_a_bundle_of_it_alone_is_run_by_auto(wanted: ExportRequest) -> None:
    export_bundle(wanted)
    with miniseg_edge.load(wanted.output) as segmenter:
        result = segmenter.segment(phantom(5, size=SIZE).image)
    assert (result.runtime, result.device, result.precision) == ("native", "cpu", "fp32")


def test_its_record_says_that_it_is_data(bundle: Bundle) -> None:
    (artifact,) = (one for one in bundle.manifest.artifacts if one.target == "native")
    assert artifact.files == ("native/model.miniseg",)
    assert artifact.compiled == Compiled(
        "native", miniseg_edge.__version__, is_code=False, judged_on=ARTEFACT, sources=(), requires=Requirements(),
        details={"plan_version": 1},
    )  # fmt: skip
    assert artifact.operators == ()
    assert artifact.nodes > 30
    assert artifact.macs > 1e6
    with Model(bundle.contents[artifact.files[0]]) as model:
        layers = profiled(model, np.zeros(SIZE, np.uint8), runs=1).layers
    assert artifact.macs == sum(layer.multiplications for layer in layers)


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_other_precisions_are_refused_with_the_reason(wanted: ExportRequest, precision: str) -> None:
    with pytest.raises(UsageError, match=f"native cannot be built in {precision}: libminiseg computes in FP32"):
        replace(wanted, precisions=(precision,))


@pytest.mark.slow
def test_tuning_leaves_it_as_it_is(wanted: ExportRequest) -> None:
    export_bundle(replace(wanted, tune=True))
    (_, artifact) = open_bundle(wanted.output).manifest.artifacts
    assert (artifact.form, artifact.tuning) == ("direct", ())
