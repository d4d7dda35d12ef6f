from pathlib import Path

import cv2
import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.slices.images import write_png


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    folder = tmp_path / "slices"
    for seed, size in ((1, (64, 64)), (2, (90, 70))):
        write_png(folder / f"s{seed}.png", phantom(seed, size=size).image)
    return folder


@pytest.mark.parametrize("runtime", ["auto", "native", "openvino", "onnxruntime", "torch"])
def test_writes_masks_and_overlays_of_the_slices_sizes(
    bundle_path: Path, slices: Path, tmp_path: Path, runtime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main([str(bundle_path), str(slices), "--output", str(output), "--runtime", runtime]) == 0
    assert sorted(p.name for p in output.iterdir()) == ["s1.png", "s1_overlay.png", "s2.png", "s2_overlay.png"]
    with miniseg_edge.load(bundle_path, runtime) as segmenter:
        for name in ("s1.png", "s2.png"):
            mask = cv2.imread(str(output / name), cv2.IMREAD_UNCHANGED)
            slice_ = cv2.imread(str(slices / name), cv2.IMREAD_UNCHANGED)
            assert mask is not None
            assert slice_ is not None
            np.testing.assert_array_equal(mask, segmenter.segment(np.asarray(slice_, np.uint8)).mask * 255)
    overlay = cv2.imread(str(output / "s2_overlay.png"), cv2.IMREAD_UNCHANGED)
    assert overlay is not None
    assert overlay.shape == (90, 70, 3)
    assert "running" in capsys.readouterr().out


def test_a_single_jpeg(bundle_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "slice.jpg"
    cv2.imwrite(str(path), phantom(1, size=(64, 64)).image)
    assert main([str(bundle_path), str(path), "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "slice.png").is_file()


def test_swapped_arguments_are_called_that(
    bundle_path: Path, slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "the bundle comes first", slices, bundle_path, "--output", tmp_path / "out")


def refused(capsys: pytest.CaptureFixture[str], code: str, *arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) in (1, 2)
    assert code in capsys.readouterr().err


def test_nothing_is_written_if_one_slice_is_broken(
    bundle_path: Path, slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (slices / "s2.png").read_bytes()
    (slices / "s2.png").write_bytes(whole[: len(whole) // 2])
    refused(capsys, "UNSUPPORTED_FORMAT", bundle_path, slices, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_broken_slice_is_named(
    bundle_path: Path, slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (slices / "s1.png").write_bytes(b"text")
    (slices / "s2.png").write_bytes(b"")
    refused(capsys, "2 of 2 slices are unusable", bundle_path, slices, "--output", tmp_path / "out")


def test_an_empty_folder_and_a_missing_one(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for source in ("empty", "missing"):
        refused(capsys, "NO_IMAGES", bundle_path, tmp_path / source, "--output", tmp_path / "out")


def test_no_silent_overwrite(
    bundle_path: Path, slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (bundle_path, slices, "--output", tmp_path / "out")
    assert main([str(a) for a in arguments]) == 0
    refused(capsys, "OUTPUT_EXISTS", *arguments)
    assert main([*(str(a) for a in arguments), "--overwrite"]) == 0


def test_the_slices_themselves_are_never_overwritten(
    bundle_path: Path, slices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (slices / "s1.png").read_bytes()
    refused(capsys, "USAGE", bundle_path, slices, "--output", slices, "--overwrite")
    refused(capsys, "OUTPUT_EXISTS", bundle_path, slices / "s1.png", "--output", slices, "--overwrite")
    assert (slices / "s1.png").read_bytes() == before


def test_two_slices_of_one_stem_are_refused(
    bundle_path: Path, slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(slices / "s1.jpg"), phantom(1, size=(64, 64)).image)
    refused(capsys, "two slices have the same output file", bundle_path, slices, "--output", tmp_path / "out")


def test_a_broken_bundle_is_refused_before_anything_is_written(
    slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "BUNDLE", tmp_path, slices, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_constant_slice_is_warned_about(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(tmp_path / "flat.png", np.full((64, 64), 9, np.uint8))
    assert main([str(bundle_path), str(tmp_path / "flat.png"), "--output", str(tmp_path / "out")]) == 0
    assert "constant slice" in capsys.readouterr().err
