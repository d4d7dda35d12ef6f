import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from miniseg_edge import phantoms
from miniseg_edge.export.demo import PLAN, SHOWN, main, speed_in_words
from miniseg_edge.export.demo_words import Agreement, fastest, identical
from miniseg_edge.export.quantization.search.plan import plan_from_file
from miniseg_edge.runtimes import segment_command
from miniseg_edge.slices.images import image_paths, slice_from_file


def test_the_plan_that_is_shipped_can_be_read() -> None:
    assert plan_from_file(PLAN).groups


def test_what_is_within_noise_is_called_so() -> None:
    quick, slow = [10.0 + i % 3 for i in range(12)], [20.0 + i % 5 for i in range(12)]
    said = speed_in_words("native fp32", quick, "openvino fp32", slow)
    assert said.startswith("native fp32 is ")
    assert said.endswith(" times as fast as openvino fp32")
    assert speed_in_words("openvino fp32", slow, "native fp32", quick) == said, "whichever is named first"
    assert "no more than noise" in speed_in_words("one", quick, "other", quick[1:] + quick[:1])
    assert "no more than noise" in speed_in_words("one", quick[:2], "other", slow[:2]), "too few rounds"


def test_the_sentence_about_masks_says_what_differs() -> None:
    same, other = Agreement("openvino fp32", 0, 1.0), Agreement("openvino int8", 1, 0.5)
    assert identical("native fp32", [same, other], 6, 1_572_864) == (
        "native fp32 and openvino fp32 give identical masks of 6 slices (1,572,864 pixels); "
        "openvino int8 differs from native fp32 in 1 pixel (Dice 0.5000 at worst)."
    )
    assert "identical" not in identical("native fp32", [other], 1, 4)


def test_the_sentence_about_speed_claims_no_noise() -> None:
    quick, slow = [10.0 + i % 3 for i in range(12)], [20.0 + i % 5 for i in range(12)]
    assert fastest({"a": quick, "b": slow}).startswith("On this machine a is 2.")
    assert "b is 2." in fastest({"a": slow, "b": quick})
    assert fastest({"a": quick, "b": quick}) == "On this machine a and b do not differ beyond noise."


def leave_an_earlier_run(output: Path, other: Path) -> None:
    """What a run leaves, but of another bundle: the demo replaces all of it."""
    phantoms.main([str(output / "slices"), "--count", "2", "--first-seed", "9100"])
    shutil.copytree(other, output / "bundle")
    for shown in SHOWN:
        masks = output / f"{shown.runtime}-{shown.precision}"
        words = [str(other), str(output / "slices" / "images"), "--runtime", "native", "--output", str(masks)]
        assert segment_command.main(words) == 0


@pytest.mark.slow
def test_the_main_job_end_to_end(tmp_path: Path, demo_bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave_an_earlier_run(tmp_path, demo_bundle_path)
    capsys.readouterr()
    assert main(["--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    _, table = shown.split("One lesion, three runtimes, two precisions\n")
    assert all(len(line) <= 80 for line in table.splitlines()[:7])
    assert "$ miniseg-export" in shown
    speed = shown.split("Inference of a slice on this machine\n")[1].splitlines()
    assert sum("native fp32" in line and " to " in line for line in speed) == 3, "one for each of the others"
    told = shown[shown.index("In turns;") :].splitlines()[2:]
    assert told[0].startswith("native fp32, openvino fp32 and onnxruntime fp32 give identical masks of 6 slices")
    assert told[1].startswith("On this machine ")
    assert told[2].startswith("Look at ")
    assert len(told) == 3
    assert all(term in shown for term in ("near-tie", "flip", "Dice"))
    assert shown.startswith("This demo exports")
    overview = cv2.imread(str(tmp_path / "overview.png"))
    assert overview is not None
    assert overview.shape == (6 * 512 + 56, 6 * 512, 3), "all six phantoms; slice, truth and four masks of each"
    assert [str(shown) for shown in SHOWN] == ["native fp32", "openvino fp32", "onnxruntime fp32", "openvino int8"]
    results = [image_paths(tmp_path / f"{shown.runtime}-{shown.precision}") for shown in SHOWN]
    assert all(len(paths) == 12 for paths in results)
    masks = [[slice_from_file(path) for path in paths if "overlay" not in path.stem] for paths in results]
    native, *others = (np.stack(found) for found in masks[:3])
    assert all(np.array_equal(native, other) for other in others), "one lesion in FP32"
