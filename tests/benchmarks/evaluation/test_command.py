import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from miniseg_edge.benchmarks.evaluation.command import main
from miniseg_edge.console.commands import DONE, FAILED, USAGE
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import slice_from_file, write_png


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed in range(4):
        drawn = phantom(seed, (64, 64))
        write_png(folder / "images" / f"{seed}.png", drawn.image)
        write_png(folder / "masks" / f"{seed}.png", drawn.mask * 255)
    return folder


def arguments(subject: Path, data: Path, *more: str) -> list[str]:
    return [str(subject), "--images", str(data / "images"), "--masks", str(data / "masks"), *more]


def test_a_bundle(demo_bundle_path: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(demo_bundle_path, data, "--output", str(tmp_path / "out"))) == DONE
    shown = capsys.readouterr().out
    assert "as published" in shown
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert [one["name"] for one in report["slices"]] == ["0", "1", "2", "3"]
    assert report["mean_iou"] == pytest.approx(np.mean([iou for iou in report["class_iou"] if iou is not None]))
    assert slice_from_file(tmp_path / "out" / "extremes.png", 3).std() > 10
    assert main(arguments(demo_bundle_path, data, "--output", str(tmp_path / "out"))) == FAILED
    assert "OUTPUT_EXISTS" in capsys.readouterr().err


def test_a_checkpoint_scores_as_its_bundle_does(
    checkpoint_path: Path, bundle_path: Path, data: Path, tmp_path: Path
) -> None:
    reports = []
    for subject in (checkpoint_path, bundle_path):
        folder = tmp_path / subject.name
        assert main(arguments(subject, data, "--output", str(folder), "--size", "64")) == DONE
        reports.append(json.loads((folder / "evaluation.json").read_text()))
    assert reports[0]["mean_iou"] == pytest.approx(reports[1]["mean_iou"], abs=1e-3)
    assert reports[0]["published"]["dice"] == pytest.approx(reports[1]["published"]["dice"], abs=1e-2)


def test_a_volume_by_its_voxels_in_mm(demo_bundle_path: Path, tmp_path: Path) -> None:
    import nibabel

    drawn = [phantom(seed, (64, 64)) for seed in range(4)]
    stacks: dict[str, npt.NDArray[Any]] = {
        "images": np.stack([one.image / 255.0 * 1500 - 1250 for one in drawn]).astype(np.float32),
        "masks": np.stack([one.mask * 4 for one in drawn]).astype(np.uint8),
    }
    for folder, stack in stacks.items():
        (tmp_path / folder).mkdir()
        image = nibabel.Nifti1Image(stack.transpose(2, 1, 0), np.diag([-0.7, -0.7, 2.0, 1.0]))
        nibabel.save(image, tmp_path / folder / "chest.nii.gz")
    more = ("--label", "4=1", "--output", str(tmp_path / "out"))
    assert main(arguments(demo_bundle_path, tmp_path, *more)) == DONE
    (volume,) = json.loads((tmp_path / "out" / "evaluation.json").read_text())["volumes"]
    lesion = sum(int(one.mask.sum()) for one in drawn)
    assert volume["labelled_ml"] == pytest.approx(lesion * 0.7 * 0.7 * 2.0 / 1000)
    assert 0 < volume["corrected"]["dice"] <= 1


@pytest.mark.parametrize("more", [("--mean", "0.5"), ("--label", "1=2"), ("--label", "1=1", "--label", "2=2")])
def test_what_makes_no_sense_is_refused(demo_bundle_path: Path, data: Path, more: tuple[str, ...]) -> None:
    assert main(arguments(demo_bundle_path, data, *more)) == USAGE
