import re
from pathlib import Path

import nibabel
import numpy as np
import pytest

from miniseg_edge.errors import HuValuesError, InputError, NoImagesError, UnsupportedFormatError, UsageError
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import write_png
from miniseg_edge.slices.preprocessing import ByteArray, Window
from miniseg_edge.studies.labels.folders import labelled_cases
from miniseg_edge.studies.labels.mapping import LabelMapping
from tests.ct_values import NOT_HU, phantom_hu


def write(folder: Path, **pixels: ByteArray) -> Path:
    for name, image in pixels.items():
        write_png(folder / f"{name}.png", image)
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    drawn = {f"p{seed // 2}_{seed}": phantom(seed, (40, 48)) for seed in range(4)}
    images = write(tmp_path / "images", **{name: one.image for name, one in drawn.items()})
    masks = write(tmp_path / "masks", **{name: one.mask * 2 for name, one in drawn.items()}, spare=drawn["p0_0"].mask)
    return images, masks


def test_one_folder_for_both_is_refused(folders: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="same folder"):
        labelled_cases(folders[0], folders[1] / ".." / "images")


def test_images_and_masks_of_one_name_belong_together(folders: tuple[Path, Path]) -> None:
    cases = labelled_cases(*folders)
    assert [case.name for case in cases] == ["p0_0", "p0_1", "p1_2", "p1_3"]
    assert [case.group for case in cases] == ["p0_0", "p0_1", "p1_2", "p1_3"]
    for seed, case in enumerate(cases):
        (slice_,) = case.read()
        assert not slice_.in_hu
        assert np.array_equal(slice_.grey(None), phantom(seed, (40, 48)).image)
        assert np.array_equal(slice_.label, phantom(seed, (40, 48)).mask)


def test_groups_come_from_names(folders: tuple[Path, Path]) -> None:
    cases = labelled_cases(*folders, group_pattern=r"^(p\d+)_")
    assert [case.group for case in cases] == ["p0", "p0", "p1", "p1"]
    for pattern in ("^(q)", "^p", "("):
        with pytest.raises(UsageError):
            labelled_cases(*folders, group_pattern=pattern)


def test_named_labels(folders: tuple[Path, Path]) -> None:
    cases = labelled_cases(*folders, LabelMapping(((2, 1), (0, 255))))
    assert {int(value) for case in cases for value in np.unique(case.read()[0].label)} == {1, 255}


def test_colours_are_channels_that_differ(folders: tuple[Path, Path]) -> None:
    (case, *_) = labelled_cases(*folders, separate_channels=True)
    assert case.read()[0].values.shape == (40, 48, 3)


def test_what_does_not_belong_together_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    images, masks = folders
    with pytest.raises(NoImagesError):
        labelled_cases(images, tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoImagesError):
        labelled_cases(tmp_path / "empty", masks)
    write(images, other=phantom(9, (40, 48)).image)
    with pytest.raises(UsageError, match="other"):
        labelled_cases(images, masks)
    write(masks, other=phantom(9, (48, 40)).mask)
    with pytest.raises(InputError, match="different size"):
        labelled_cases(images, masks)[0].read()
    (images / "other.jpg").write_bytes((images / "other.png").read_bytes())
    with pytest.raises(UsageError, match="two images"):
        labelled_cases(images, masks)


def test_a_broken_mask_is_an_error(folders: tuple[Path, Path]) -> None:
    images, masks = folders
    (masks / "p0_0.png").write_bytes(b"nothing")
    with pytest.raises(UnsupportedFormatError):
        labelled_cases(images, masks)[0].read()


def test_hu_need_a_window(folders: tuple[Path, Path]) -> None:
    from dataclasses import replace

    slice_ = labelled_cases(*folders)[0].read()[0]
    in_hu = replace(slice_, values=slice_.values.astype(np.float32) - 128, in_hu=True)
    assert np.array_equal(in_hu.grey(Window(-128, 127)), slice_.values)
    with pytest.raises(UsageError, match="window"):
        in_hu.grey(None)


@pytest.mark.parametrize("name", ["grey 0..255", "HU + 1024 in int16", "all 0", "3 labels", "HU / 1000"])
def test_a_study_that_is_not_in_hu_is_refused(tmp_path: Path, name: str) -> None:
    """A network that is trained on such values finds nothing in HU."""
    hu = phantom_hu(3)
    for folder, data in (
        ("images", NOT_HU[name][0](hu)),
        ("right", hu),
        ("masks", (hu > 0).astype(np.uint8)),
    ):
        (tmp_path / folder).mkdir()
        nibabel.save(nibabel.Nifti1Image(data.T, np.diag([1, 1, 2, 1])), tmp_path / folder / "chest.nii.gz")
    (case,) = labelled_cases(tmp_path / "images", tmp_path / "masks")
    with pytest.raises(HuValuesError, match=re.escape(NOT_HU[name][1])):
        case.read()
    assert len(labelled_cases(tmp_path / "right", tmp_path / "masks")[0].read()) == 3


def test_images_and_masks_that_were_swapped_are_refused(tmp_path: Path) -> None:
    drawn = phantom(9100)
    images, masks = write(tmp_path / "images", a=drawn.image), write(tmp_path / "masks", a=drawn.mask * 255)
    labelled_cases(images, masks)[0].read()
    with pytest.raises(InputError, match=r"looks like a mask.*Swap the two folders"):
        labelled_cases(masks, images)[0].read()


def test_a_black_slice_is_not_taken_for_a_mask(tmp_path: Path) -> None:
    black = np.zeros((64, 64), np.uint8)
    assert labelled_cases(write(tmp_path / "a", a=black), write(tmp_path / "b", a=black))[0].read()
