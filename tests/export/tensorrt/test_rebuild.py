import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, file_records, open_bundle
from miniseg_edge.bundle.compiled import ARTEFACT
from miniseg_edge.bundle.manifest import manifest_from_json, sealed
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.export.command import main
from miniseg_edge.export.tensorrt.options import EngineOptions
from miniseg_edge.export.tensorrt.rebuild import options_of, rebuilt
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu
from miniseg_edge.runtimes.backends.tensorrt.engine_record import engine_of
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT_RTX
from tests.bundles import files_below
from tests.conftest import has_gpu, why_not
from tests.runtimes.backends.tensorrt.test_admission import AHEAD, HERE
from tests.test_architecture import loaded_after


@pytest.fixture
def path(engine_bundle_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(engine_bundle_path, tmp_path / "bundle"))


@pytest.mark.skipif(has_gpu(), reason="what happens where there is no GPU")
def test_without_a_gpu_nothing_is_built_and_nothing_changes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: (path / name).read_bytes() for name in files_below(path)}
    assert main(["--rebuild", str(path)]) == 1
    assert "RUNTIME_UNAVAILABLE: there is no usable NVIDIA GPU" in capsys.readouterr().err
    assert {name: (path / name).read_bytes() for name in files_below(path)} == before


def test_a_gpu_that_the_vendor_does_not_serve_is_refused_before_any_work(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hopper = Gpu(0, "NVIDIA H200", "9.0", "13.0", integrated=False)
    monkeypatch.setattr("miniseg_edge.export.tensorrt.rebuild.gpus", lambda: (hopper,))
    before = {name: (path / name).read_bytes() for name in files_below(path)}
    assert main(["--rebuild", str(path)]) == 1
    shown = capsys.readouterr()
    assert "INCOMPATIBLE: TensorRT for RTX does not support this GPU" in shown.err
    assert "golden" not in shown.out + shown.err
    assert {name: (path / name).read_bytes() for name in files_below(path)} == before


def test_an_engine_is_built_again_as_its_record_says(engine_bundle_path: Path) -> None:
    bundle = open_bundle(engine_bundle_path)
    artifact = bundle.manifest.artifact("trt-rtx")
    assert artifact is not None
    asked = replace(
        artifact, compiled=replace(engine_of(artifact), compute_capabilities=("8.9",), tf32=True).compiled()
    )
    others = tuple(a for a in bundle.manifest.artifacts if a is not artifact)
    changed = replace(bundle, manifest=replace(bundle.manifest, artifacts=(*others, asked)))
    found = rebuilt(changed, asked, "trt-rtx", lambda said: None)
    again = found.manifest.artifact("trt-rtx")
    assert again is not None
    assert (engine_of(again).compute_capabilities, engine_of(again).tf32, again.files) == (
        ("8.9",),
        True,
        artifact.files,
    )
    assert found.contents[engine_of(again).onnx] == bundle.contents[engine_of(again).onnx]
    assert found.contents[again.files[0]] != bundle.contents[again.files[0]]
    assert sealed_and_read(found).manifest.artifact("trt-rtx") == again


def test_a_target_is_built_from_the_others_onnx_beside_it(engine_bundle_path: Path) -> None:
    """As for a Jetson, the other way round: without TensorRT here, an RTX engine is built from a trt artefact."""
    bundle = open_bundle(engine_bundle_path)
    artifact = bundle.manifest.artifact("trt-rtx")
    assert artifact is not None
    other = replace(artifact, target="trt", compiled=replace(engine_of(artifact), vendor="tensorrt").compiled())
    verdicts = tuple(replace(v, target=v.target.replace("trt-rtx", "trt")) for v in bundle.manifest.parity.verdicts)
    parity = replace(bundle.manifest.parity, verdicts=verdicts)
    changed = replace(bundle, manifest=replace(bundle.manifest, artifacts=(other,), parity=parity))
    found = rebuilt(changed, other, "trt-rtx", lambda said: None)
    assert [a.target for a in found.manifest.artifacts] == ["trt", "trt-rtx"]
    again = found.manifest.artifacts[1]
    assert engine_of(again).vendor == "tensorrt_rtx"
    assert found.manifest.limits(again).min_dice_worst == 0.98


@pytest.mark.skipif(has_gpu(), reason="what happens where TensorRT is not installed")
def test_a_target_whose_vendor_is_not_here_is_a_missing_dependency(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--rebuild", str(path), "--target", "trt"]) == 1
    assert "MISSING_DEPENDENCY: no engine vendor is installed" in capsys.readouterr().err


def sealed_and_read(bundle: Bundle) -> Bundle:
    manifest = sealed(replace(bundle.manifest, files=file_records(bundle.contents)))
    return replace(bundle, manifest=manifest_from_json(json_from_record(manifest).encode()))


def test_the_options_of_a_build_are_in_its_record() -> None:
    assert options_of(AHEAD) == EngineOptions()
    assert options_of(replace(AHEAD, compute_capabilities=("7.5", "12.0"))) == EngineOptions((75, 120))
    assert options_of(HERE) == EngineOptions(), "the GPU's own compute capability was nobody's wish"
    record = replace(HERE, flags=("TF32", "VERSION_COMPATIBLE"), tf32=True, workspace_bytes=64 * 2**20)
    assert options_of(record) == EngineOptions(workspace_mib=64, tf32=True, version_compatible=True)
    assert options_of(replace(HERE, hardware_compatibility="AMPERE_PLUS")) == EngineOptions(hardware_compatible=True)


def test_a_bundle_without_engines_has_nothing_to_rebuild(bundle_path: Path, tmp_path: Path) -> None:
    if not has_gpu():
        assert main(["--rebuild", str(bundle_path)]) == 2
    assert main(["--rebuild", str(tmp_path / "nothing")]) == 1


@pytest.mark.parametrize("words", [["network.pth"], ["--target", "onnx"], ["--target", "trt", "--target", "trt-rtx"]])
def test_a_rebuild_takes_the_bundle_as_it_is(path: Path, words: list[str]) -> None:
    assert main(["--rebuild", str(path), *words]) == 2


def test_a_rebuild_needs_neither_torch_nor_onnx() -> None:
    assert loaded_after("import miniseg_edge.export.tensorrt.rebuild") & {"torch", "onnx", "onnxruntime"} == set()


@pytest.mark.gpu
def test_a_rebuilt_engine_was_judged_here(path: Path) -> None:
    if reason := why_not(TENSORRT_RTX):
        pytest.skip(reason)
    assert main(["--rebuild", str(path)]) == 0
    artifact = open_bundle(path).manifest.artifact("trt-rtx")
    assert artifact is not None
    assert engine_of(artifact).judged_on == ARTEFACT
    assert engine_of(artifact).gpu
    with miniseg_edge.load(path, "tensorrt-rtx") as segmenter:
        assert segmenter.choice.artifact.precision == "fp16"
