"""What the command takes its input for, and what it says where that is not what was meant."""

from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.errors import NoImagesError, UsageError
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.runtimes.study.segment_input import check_apart, kind_of
from miniseg_edge.slices.images import write_png
from tests.studies.series import put, write_series


def pictures(folder: Path, count: int) -> Path:
    for index in range(count):
        write_png(folder / f"picture{index}.png", np.full((16, 16), 7 * index, np.uint8))
    return folder


def test_a_few_pictures_beside_a_study_are_left_out(tmp_path: Path) -> None:
    folder = pictures(write_series(tmp_path / "study", 4), 4)
    assert kind_of(folder) == "study"
    assert kind_of(folder / "picture0.png") == "images"
    assert kind_of(folder / "900") == "study"


@pytest.mark.parametrize("slices", [1, 4])
def test_more_pictures_than_slices_are_not_passed_over(tmp_path: Path, slices: int) -> None:
    folder = pictures(write_series(tmp_path / "study", slices), slices + 1)
    with pytest.raises(UsageError, match=f"{slices + 1} pictures, and {slices} DICOM"):
        kind_of(folder)


def test_pictures_with_notes_are_pictures(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "slices", 2)
    (folder / "notes.txt").write_text("text")
    assert kind_of(folder) == "images"


@pytest.mark.parametrize("typed", ["studdy", "Study", "study.", "stud"])
def test_a_mistyped_name_is_answered_with_those_that_are_like_it(tmp_path: Path, typed: str) -> None:
    write_series(tmp_path / "study", 1)
    with pytest.raises(NoImagesError, match=r"Did you mean study\?"):
        kind_of(tmp_path / typed)


@pytest.mark.parametrize("typed", ["x", "nowhere/at/all"])
def test_a_name_that_is_like_nothing(tmp_path: Path, typed: str) -> None:
    with pytest.raises(NoImagesError, match=r"does not exist.*Check the path"):
        kind_of(tmp_path / typed)


@pytest.mark.parametrize("words", [[], ["--series", "3"], ["--format", "json"], ["--list"]])
def test_the_command_says_that_a_path_is_mistyped_whatever_else_it_is_told(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "study", 1)
    assert main([str(tmp_path), str(tmp_path / "studdy"), "--output", str(tmp_path / "out"), *words]) == 1
    assert "Did you mean study?" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("where", ["", "out", "deep/out"])
def test_results_do_not_go_into_a_study(tmp_path: Path, bundle_path: Path, where: str) -> None:
    folder = write_series(tmp_path / "study", 2)
    before = sorted(path.name for path in folder.iterdir())
    assert main([str(bundle_path), str(folder), "--output", str(folder / where)]) == 2
    assert sorted(path.name for path in folder.iterdir()) == before


def test_masks_do_not_go_among_the_pictures(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "slices", 2)
    with pytest.raises(UsageError, match="output folder overlaps the input folder"):
        check_apart(folder, folder, "images")
    check_apart(folder, folder / "masks", "images")
    check_apart(folder / "picture0.png", folder, "images")


def test_a_result_does_not_replace_its_input(tmp_path: Path, bundle_path: Path) -> None:
    study = write_series(tmp_path / "study", 1) / "900"
    study.rename(tmp_path / "mask.nii.gz")
    before = (tmp_path / "mask.nii.gz").read_bytes()
    words = [str(bundle_path), str(tmp_path / "mask.nii.gz"), "--output", str(tmp_path), "--overwrite"]
    assert main(words) == 2
    assert (tmp_path / "mask.nii.gz").read_bytes() == before
    check_apart(tmp_path / "mask.nii.gz", tmp_path / "out", "study")
    with pytest.raises(UsageError, match="overlaps the input folder"):
        check_apart(tmp_path / "DICOMDIR", tmp_path / "out", "study")


def test_a_place_for_results_is_asked_for(tmp_path: Path, bundle_path: Path) -> None:
    folder = write_series(tmp_path / "study", 2)
    for words in ([], ["--distributed", "in-process"]):
        assert main([str(bundle_path), str(folder), *words]) == 2


def test_a_list_shows_what_there_is_and_segments_nothing(
    tmp_path: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "study" / "a", 2, put(SeriesNumber=3, SeriesInstanceUID="1.2.3", ConvolutionKernel="B70f"))
    description = "Thorax with a name that is much too long for a table"
    write_series(tmp_path / "study" / "b", 3, put(SeriesInstanceUID="1.2." + "4" * 60, SeriesDescription=description))
    before = sorted(tmp_path.rglob("*"))
    assert main([str(bundle_path), str(tmp_path / "study"), "--list"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 80
    assert any(line.split() == ["3", "B70f", "2", "2.50", "yes"] for line in shown)
    assert "3: 1.2.3" in shown
    assert sorted(tmp_path.rglob("*")) == before


def test_a_choice_is_asked_for_with_the_same_table(
    tmp_path: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (3, 4):
        edit = put(SeriesNumber=number, SeriesInstanceUID=f"1.2.{number}", SeriesDescription="Thorax")
        write_series(tmp_path / "study" / f"{number}", 2, edit)
    words = [str(bundle_path), str(tmp_path / "study"), "--output", str(tmp_path / "out")]
    assert main(words) == 1
    shown = capsys.readouterr()
    assert sum("Thorax" in line for line in shown.out.splitlines()) == 2
    assert "SEVERAL_SERIES" in shown.err
    assert not (tmp_path / "out").exists()
    assert main([*words, "--series", "4"]) == 0
    assert (tmp_path / "out" / "findings.json").is_file()
