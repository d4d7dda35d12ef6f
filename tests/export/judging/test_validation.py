from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.errors import InputError, NoImagesError, UsageError
from miniseg_edge.export.judging.validation import phantom_set, validation_set
from miniseg_edge.slices.images import write_png


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("a", "b"):
        write_png(tmp_path / "images" / f"{name}.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
        write_png(tmp_path / "labels" / f"{name}.png", np.eye(8, dtype=np.uint8) * 255)
    return tmp_path / "images", tmp_path / "labels"


def test_slices_meet_their_labels_by_stem(folders: tuple[Path, Path]) -> None:
    found = validation_set(*folders, classes=2)
    assert [item.name for item in found.slices] == ["a", "b"]
    np.testing.assert_array_equal(found.slices[1].label(), np.eye(8))
    assert validation_set(folders[0], None, 2).slices[0].label() is None


def test_a_slice_without_label_is_named(folders: tuple[Path, Path]) -> None:
    (folders[1] / "b.png").unlink()
    with pytest.raises(UsageError, match="got b"):
        validation_set(*folders, classes=2)


def test_a_label_of_another_size_is_refused(folders: tuple[Path, Path]) -> None:
    write_png(folders[1] / "a.png", np.zeros((4, 8), np.uint8))
    with pytest.raises(InputError, match="different size"):
        validation_set(*folders, classes=2).slices[0].label()


def test_two_files_of_one_stem_are_refused(folders: tuple[Path, Path]) -> None:
    (folders[0] / "a.jpg").touch()
    with pytest.raises(UsageError, match="the same stem"):
        validation_set(folders[0], None, 2)


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoImagesError):
        validation_set(tmp_path, None, 2)


def test_the_phantoms_are_always_the_same() -> None:
    one, other = phantom_set((40, 50)), phantom_set((40, 50))
    assert one.slices[0].image().shape == (40, 50)
    for a, b in zip(one.slices, other.slices, strict=True):
        np.testing.assert_array_equal(a.image(), b.image())
