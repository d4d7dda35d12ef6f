import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.errors import UsageError
from miniseg_edge.phantoms import MIN_SIDE, main, phantom, phantoms
from miniseg_edge.studies import open_study

SMALL = (96, 96)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**64), height=st.integers(MIN_SIDE, 90), width=st.integers(MIN_SIDE, 90))
def test_every_seed_and_size_gives_a_slice_and_its_mask(seed: int, height: int, width: int) -> None:
    one = phantom(seed, (height, width))
    assert one.image.shape == one.mask.shape == (height, width)
    assert one.image.dtype == one.mask.dtype == np.uint8
    assert set(np.unique(one.mask)) <= {0, 1}
    assert one.image.min() < 60
    assert one.image.max() > 200


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_seed_gives_the_same_bits(seed: int) -> None:
    one, again = phantom(seed, SMALL), phantom(seed, SMALL)
    assert one.image.tobytes() == again.image.tobytes()
    assert one.mask.tobytes() == again.mask.tobytes()


def test_the_bits_are_the_same_on_every_machine() -> None:
    one = phantom(7)
    digest = hashlib.sha256(one.image.tobytes() + one.mask.tobytes()).hexdigest()
    assert digest == "ec0ee112fe7ea619ad862f7e0116af42d80adf1f74fb1ef66ccafe89899f5e5e"


def test_seeds_differ() -> None:
    first, second = phantoms(2, first_seed=40, size=SMALL)
    assert (first.name, second.name) == ("phantom-0040", "phantom-0041")
    assert np.mean(first.image != second.image) > 0.5
    assert np.array_equal(second.image, phantom(41, SMALL).image)


def test_a_seed_gives_the_same_patient_at_every_size() -> None:
    small, large = phantom(8, (128, 128)), phantom(8)
    shrunk = cv2.resize(large.image, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.image.ravel(), shrunk.ravel())[0, 1] > 0.97
    assert int(small.mask.sum()) * 16 == pytest.approx(int(large.mask.sum()), rel=0.1)


def test_lesions_are_grey_patches_inside_dark_lungs() -> None:
    for one in phantoms(12, size=(256, 256)):
        inside = one.image[one.mask == 1]
        around = cv2.dilate(one.mask, np.ones((15, 15), np.uint8)) - one.mask
        lung = one.image[(around == 1) & (one.image < 100)]
        if inside.size:
            assert 10 < inside.size < 0.2 * one.mask.size
            assert lung.mean() + 15 < inside.mean() < 240
        border = np.concatenate((one.mask[0], one.mask[-1], one.mask[:, 0], one.mask[:, -1]))
        assert not border.any()


def test_about_one_in_eight_is_healthy() -> None:
    healthy = sum(not one.mask.any() for one in phantoms(64, size=(32, 32)))
    assert 3 <= healthy <= 15


@pytest.mark.parametrize(("seed", "size"), [(-1, (64, 64)), (0, (31, 64)), (0, (64, 0))])
def test_impossible_phantoms_are_refused(seed: int, size: tuple[int, int]) -> None:
    with pytest.raises(UsageError):
        phantom(seed, size)


def test_the_command_writes_images_and_masks(tmp_path: Path) -> None:
    main([str(tmp_path / "set"), "--count", "2", "--first-seed", "9"])
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    names = ("phantom-0009.png", "phantom-0010.png")
    assert written == [f"set/{kind}/{name}" for kind in ("images", "masks") for name in names]
    one = phantom(10)
    for kind, expected in (("images", one.image), ("masks", one.mask * 255)):
        found = cv2.imread(str(tmp_path / "set" / kind / "phantom-0010.png"), cv2.IMREAD_UNCHANGED)
        assert found is not None
        assert np.array_equal(found, expected)


def test_the_command_writes_a_series(tmp_path: Path) -> None:
    assert main([str(tmp_path / "study"), "--count", "2", "--dicom"]) == 0
    study = open_study(tmp_path / "study")
    assert len(study) == 2
    grey = np.clip(np.rint((study.read(1).voxels_hu + 1250) / 1500 * 255), 0, 255)
    assert np.abs(grey - phantom(1).image).mean() < 3, "the scanner's noise"
    assert main([str(tmp_path / "study"), "--dicom"]) == 1
    assert len(list((tmp_path / "study").iterdir())) == 2
