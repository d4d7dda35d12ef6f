from pathlib import Path

import numpy as np
import onnx
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import RuntimeUnavailableError, UsageError
from miniseg_edge.export.build import Build
from miniseg_edge.export.choosing import turns
from miniseg_edge.export.command import main
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.graph.forms import FORMS
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.export.targets import target_named
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.backends.openvino import has_bf16


def test_each_target_says_which_form_it_is_in(bundle: Bundle) -> None:
    forms = {a.target: a.form for a in bundle.manifest.artifacts}
    assert forms == {"reference": "as trained", "onnx": "blocked", "openvino": "packed", "native": "direct"}


def test_the_onnx_says_what_it_is_and_names_its_nodes_after_blocks(bundle: Bundle) -> None:
    model = onnx.load_from_string(bundle.contents["onnx/model.onnx"])
    about = {prop.key: prop.value for prop in model.metadata_props}
    assert about["checkpoint_sha256"] == bundle.manifest.checkpoint.sha256
    assert about["form"] == "blocked"
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert [name for name in names if name.startswith("level3.0")]


@pytest.mark.slow
@pytest.mark.skipif(not has_bf16(), reason="this CPU has no BF16")
def test_precisions_lie_side_by_side_and_fp32_goes_first(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    request = ExportRequest(
        tiny_checkpoint_path, tmp_path / "out", ("onnx", "openvino"), ("fp32", "bf16"), size=(64, 64)
    )
    assert request.builds == (Build("onnx", "fp32"), Build("openvino", "fp32"), Build("openvino", "bf16"))
    result = export_bundle(request)
    assert sorted(Build(p.target, p.precision) for p in result.parities) == sorted(request.builds)
    slice_ = phantom(4, size=(64, 64)).image
    with miniseg_edge.load(tmp_path / "out") as exact, miniseg_edge.load(tmp_path / "out", precision="bf16") as fast:
        fp32, bf16 = exact.segment(slice_), fast.segment(slice_)
    assert (fp32.precision, bf16.precision) == ("fp32", "bf16")
    assert 0 < np.abs(fp32.logit - bf16.logit).max() < 0.1, "it ran in BF16, and stayed near"


def test_a_precision_that_the_bundle_has_not_is_refused(bundle: Bundle) -> None:
    with pytest.raises(RuntimeUnavailableError, match="no openvino artefact in bf16"):
        miniseg_edge.load(bundle, "openvino", precision="bf16")


@pytest.mark.parametrize(
    ("targets", "precisions", "message"),
    [
        (("onnx",), ("bf16",), "no target can be built in bf16"),
        (("onnx", "openvino"), ("bf16",), "onnx cannot be built"),
        (("openvino",), ("fp32", "fp32"), "each at most once"),
    ],
)
def test_a_precision_that_a_target_has_not_is_refused(
    targets: tuple[str, ...], precisions: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ExportRequest(Path("a.pth"), Path("out"), targets, precisions)


@pytest.mark.slow
def test_tune_measures_the_forms_and_records_what_it_chose(
    tiny_checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LOOKS", (1,))
    monkeypatch.setattr(turns, "TURN_S", 0.1)
    words = [str(tiny_checkpoint_path), "--target", "onnx", "--tune", "--input-size", "64", "64"]
    assert main([*words, "--output", str(tmp_path / "out")]) == 0
    artifact = open_bundle(tmp_path / "out").manifest.artifact("onnx")
    assert artifact is not None
    medians = {timing.form: float(np.median(timing.p50_ms)) for timing in artifact.tuning}
    assert medians.keys() == {form.name for form in FORMS}
    assert artifact.form == target_named("onnx").form("fp32").name, "one round does not show that another is faster"
    assert all(min(timing.processor_ms) > 0 for timing in artifact.tuning)
