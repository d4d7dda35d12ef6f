import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle, write_bundle
from miniseg_edge.bundle.records import object_from_json, record_from_object
from miniseg_edge.errors import CheckpointError, OutputExistsError, StatisticsError, UsageError
from miniseg_edge.export import release
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.plan import resolved_statistics
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.host.files import sha256_of
from miniseg_edge.parity.comparison import ParityLimits, ParityReport
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import write_png
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.checkpoint import checkpoint_from_file


def request(checkpoint: Path, output: Path) -> ExportRequest:
    return ExportRequest(checkpoint, output, ("onnx",), size=(32, 32))


class TestBundle:
    def test_holds_what_was_asked_for_and_nothing_else(self, bundle: Bundle) -> None:
        assert [a.target for a in bundle.manifest.artifacts] == ["reference", "onnx", "openvino", "native"]
        assert sorted(bundle.contents) == [
            "golden/phantom-9000.logit.npy",
            "golden/phantom-9000.png",
            "golden/phantom-9001.logit.npy",
            "golden/phantom-9001.png",
            "native/model.miniseg",
            "onnx/model.onnx",
            "openvino/model.bin",
            "openvino/model.xml",
            "parity.json",
            "reference/weights.safetensors",
        ]

    def test_says_where_everything_comes_from(self, bundle: Bundle, checkpoint_path: Path) -> None:
        manifest = bundle.manifest
        assert manifest.checkpoint.sha256 == sha256_of(checkpoint_path.read_bytes())
        assert (manifest.network.name, manifest.network.parameters) == ("custom", 5_858)
        assert manifest.preprocessing.statistics == Statistics(0.55, 0.29)
        assert manifest.preprocessing.statistics_source == "checkpoint"
        assert manifest.preprocessing.window is not None
        assert {"python", "torch", "onnx", "openvino", "miniseg-edge"} <= set(manifest.tools)
        assert [(v.target, v.passed, v.real_flips) for v in manifest.parity.verdicts] == [
            ("native", True, 0),
            ("openvino", True, 0),
            ("onnx", True, 0),
        ]

    def test_keeps_the_whole_parity_report(self, bundle: Bundle) -> None:
        found = object_from_json(bundle.contents["parity.json"], "parity.json")
        report = record_from_object(ParityReport, found, "parity.json")
        assert report.checkpoint_sha256 == bundle.manifest.checkpoint.sha256
        assert [len(target.slices) for target in report.targets] == [8, 8, 8]

    def test_a_custom_network_is_called_custom(self, odd_bundle: Bundle) -> None:
        assert odd_bundle.manifest.network.name == "custom"
        assert odd_bundle.manifest.output.shape == (1, 2, 51, 70)


class TestOnnx:
    def test_is_one_standard_file_without_machine_paths(self, bundle: Bundle) -> None:
        model = onnx.load_from_string(bundle.contents["onnx/model.onnx"])
        onnx.checker.check_model(model, full_check=True)
        assert [i.name for i in model.graph.input] == ["slice"]
        assert [o.name for o in model.graph.output] == ["logit"]
        assert {o.domain for o in model.opset_import} == {""}
        assert model.opset_import[0].version >= 20
        assert b"site-packages" not in bundle.contents["onnx/model.onnx"]


class TestStatistics:
    def test_from_nowhere_is_refused(self, tiny_checkpoint_path: Path) -> None:
        bare = replace(checkpoint_from_file(tiny_checkpoint_path), statistics=None)
        with pytest.raises(StatisticsError, match="--mean and --std"):
            resolved_statistics(None, bare)

    def test_the_command_line_goes_before_the_checkpoint_and_says_so(
        self, tiny_checkpoint_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = Statistics(0.4, 0.2)
        assert resolved_statistics(given, checkpoint_from_file(tiny_checkpoint_path)) == (given, "command line")
        assert "command line's are used" in capsys.readouterr().err

    @pytest.mark.slow
    def test_they_matter(self, tiny_checkpoint_path: Path, tmp_path: Path) -> None:
        right = request(tiny_checkpoint_path, tmp_path / "right")
        export_bundle(right)
        export_bundle(replace(right, output=tmp_path / "wrong", statistics=Statistics(0.485, 0.229)))
        slice_ = phantom(11, size=(32, 32)).image
        with miniseg_edge.load(tmp_path / "wrong") as one, miniseg_edge.load(tmp_path / "right") as other:
            assert np.abs(one.segment(slice_).logit - other.segment(slice_).logit).max() > 0.01


class TestParityGate:
    def test_a_failed_target_is_not_released_but_its_report_is(
        self, tiny_checkpoint_path: Path, tmp_path: Path
    ) -> None:
        strict = replace(
            request(tiny_checkpoint_path, tmp_path / "out"), limits={"fp32": ParityLimits(max_logit_difference=1e-12)}
        )
        result = export_bundle(strict)
        assert result.bundle is None
        assert not (tmp_path / "out").exists()
        report = json.loads(result.report.read_text())
        assert report["targets"][0]["failures"][0].startswith("largest logit difference")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out.parity.json"]
        assert str(result).startswith("<ExportResult: no bundle, onnx fp32 failed")

    def test_labels_are_reported_beside_parity(self, tiny_checkpoint_path: Path, tmp_path: Path) -> None:
        for seed in (1, 2, 3):
            drawn = phantom(seed, size=(80, 60))
            write_png(tmp_path / "images" / f"{seed}.png", drawn.image)
            write_png(tmp_path / "masks" / f"{seed}.png", drawn.mask * 255)
        wanted = replace(
            request(tiny_checkpoint_path, tmp_path / "out"), validation=tmp_path / "images", labels=tmp_path / "masks"
        )
        result = export_bundle(wanted)
        assert str(result).startswith("<ExportResult: <Bundle out: onnx fp32>, onnx fp32 passed")
        assert "\n" not in str(result)
        assert len(str(result)) < 120
        (parity,) = result.parities
        assert parity.mean_iou == parity.reference_mean_iou
        assert parity.mean_iou is not None
        assert [s.name for s in parity.slices] == ["1", "2", "3"]
        assert all(s.pixels == 80 * 60 and s.dice_label is not None for s in parity.slices)


class TestOutput:
    def test_an_existing_one_is_refused_before_any_work(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        with pytest.raises(OutputExistsError):
            export_bundle(request(tmp_path / "missing.pth", tmp_path / "out"))

    @pytest.mark.slow
    def test_overwrite_replaces_a_bundle_in_one_step_of_its_writer(
        self, tiny_checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The writer may be killed at any moment: `tests/faults/test_kills.py`."""
        wanted = request(tiny_checkpoint_path, tmp_path / "out")
        old = export_bundle(wanted).bundle

        def written(*arguments: Any, **named: Any) -> None:
            assert open_bundle(tmp_path / "out") == old
            assert [p.name for p in tmp_path.iterdir()] == ["out"]
            write_bundle(*arguments, **named)

        monkeypatch.setattr(release, "write_bundle", written)
        export_bundle(replace(wanted, size=(48, 48), overwrite=True))
        assert open_bundle(tmp_path / "out").manifest.preprocessing.size == (48, 48)
        assert [p.name for p in tmp_path.iterdir()] == ["out"]

    def test_overwrite_spares_what_is_no_bundle(self, tiny_checkpoint_path: Path, tmp_path: Path) -> None:
        (tmp_path / "precious").mkdir()
        with pytest.raises(OutputExistsError, match="is not a bundle"):
            export_bundle(replace(request(tiny_checkpoint_path, tmp_path / "precious"), overwrite=True))

    def test_a_broken_checkpoint_leaves_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "broken.pth").write_bytes(b"nothing")
        with pytest.raises(CheckpointError):
            export_bundle(request(tmp_path / "broken.pth", tmp_path / "out"))
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": (15, 64)},
        {"size": (64, 5000)},
        {"targets": ()},
        {"targets": ("onnx", "onnx")},
        {"targets": ("coreml",)},
        {"precisions": ("fp64",)},
        {"precisions": ()},
        {"precisions": ("bf16",)},
        {"labels": Path("labels")},
    ],
)
def test_requests_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(request(Path("a"), Path("b")), **wrong)  # type: ignore[arg-type]
