import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import Bundle, file_records, write_bundle
from miniseg_edge.bundle.golden import golden_logits, npy_from_logits
from miniseg_edge.bundle.manifest import sealed
from miniseg_edge.runtimes.verification.command import main
from tests.runtimes.backends.test_registry import without


def test_a_sound_bundle_passes_on_every_runtime(bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(bundle_path)]) == 0
    shown = capsys.readouterr().out
    assert "every hash right" in shown
    for target in ("native", "openvino", "onnx", "reference"):
        assert f"{target} fp32" in shown


def test_a_changed_file_fails(bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle_path, copy)
    with (copy / "openvino" / "model.bin").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff\xfe\xfd")
    assert main([str(copy)]) == 1
    assert "INTEGRITY: openvino/model.bin was changed" in capsys.readouterr().err


def test_an_artefact_of_other_weights_fails_parity(
    bundle: Bundle, odd_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hashes are right, but the golden answers are another network's."""
    golden = bundle.manifest.golden[0]
    other = npy_from_logits(-golden_logits(bundle, golden, (64, 64)))
    contents = {**bundle.contents, golden.logit: other}
    forged = replace(bundle, contents=contents, manifest=sealed(replace(bundle.manifest, files=file_records(contents))))
    write_bundle(forged, tmp_path / "forged")
    assert main([str(tmp_path / "forged")]) == 3
    assert "PARITY" in capsys.readouterr().err


def test_what_cannot_be_checked_is_named(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reduced = without(bundle, "openvino")
    write_bundle(replace(reduced, manifest=sealed(reduced.manifest)), tmp_path / "reduced")
    assert main([str(tmp_path / "reduced")]) == 0
    assert "not checked: openvino: the bundle has no openvino artefact" in capsys.readouterr().out


def test_nothing_at_hand_is_an_error(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reduced = without(bundle, "native", "openvino", "onnx")
    write_bundle(replace(reduced, manifest=sealed(reduced.manifest)), tmp_path / "reduced")
    assert main([str(tmp_path / "reduced")]) == 1
    assert "RUNTIME_UNAVAILABLE" in capsys.readouterr().err
