import random
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.bundle.manifest import Manifest
from miniseg_edge.errors import NoImagesError, UsageError
from miniseg_edge.export.quantization.calibration import (
    FEW_SLICES,
    MAX_SLICES,
    calibration_set,
    check_apart,
    network_inputs,
    pixels_sha256,
)
from miniseg_edge.phantoms import phantoms
from miniseg_edge.slices.images import write_png
from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.tensors import HU, GraphInterface
from tests.bundles import SIDE, small_manifest

SLICES = [p.image for p in phantoms(FEW_SLICES, first_seed=50, size=(64, 64))]


def written(folder: Path, slices: list[ByteArray]) -> Path:
    for index, pixels in enumerate(slices):
        write_png(folder / f"{index:03}.png", pixels)
    return folder


def test_names_and_order_change_nothing(tmp_path: Path) -> None:
    other = random.Random(1).sample(SLICES, len(SLICES))
    first = calibration_set(written(tmp_path / "a", SLICES), 1, 0)
    second = calibration_set(written(tmp_path / "b", other), 1, 0)
    assert [s.sha256 for s in first] == [s.sha256 for s in second]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, second, strict=True))


def test_a_slice_counts_once(tmp_path: Path) -> None:
    assert len(calibration_set(written(tmp_path / "a", [*SLICES, SLICES[0]]), 1, 0)) == len(SLICES)


def test_a_slice_of_the_validation_set_is_refused_under_any_name(tmp_path: Path) -> None:
    found = calibration_set(written(tmp_path / "a", SLICES), 1, 0)
    check_apart(found, [("other", SLICES[3] + np.uint8(1))])
    with pytest.raises(UsageError, match=r"share slices.*mine"):
        check_apart(found, [("mine", SLICES[3])])


def test_of_many_shared_slices_it_says_how_many_more_there_are(tmp_path: Path) -> None:
    found = calibration_set(written(tmp_path / "a", SLICES), 1, 0)
    with pytest.raises(UsageError, match=r"got 0, 1, .*, 11 and 8 more"):
        check_apart(found, [(str(index), SLICES[3]) for index in range(20)])


def test_few_slices_warn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calibration_set(written(tmp_path / "enough", SLICES), 1, 0)
    assert "warning" not in capsys.readouterr().err
    calibration_set(written(tmp_path / "few", SLICES[1:]), 1, 0)
    assert "are few" in capsys.readouterr().err


def test_the_seed_draws_among_many(tmp_path: Path) -> None:
    rows = [np.full((4, 4), value, np.uint8) for value in range(MAX_SLICES + 20)]
    folder = written(tmp_path / "a", rows)
    drawn = [[s.sha256 for s in calibration_set(folder, 1, seed)] for seed in (0, 0, 1)]
    assert len(drawn[0]) == MAX_SLICES
    assert drawn[0] == drawn[1] == sorted(drawn[0])
    assert drawn[0] != drawn[2]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoImagesError):
        calibration_set(tmp_path, 1, 0)


def test_the_size_is_part_of_a_slice() -> None:
    assert pixels_sha256(np.zeros((2, 8), np.uint8)) != pixels_sha256(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize("values", ["grey", HU])
def test_the_graph_is_fed_as_its_interface_says(tmp_path: Path, values: str) -> None:
    found = calibration_set(written(tmp_path / "a", SLICES[:1]), 1, 0)
    manifest: Manifest = small_manifest()
    manifest = type(manifest)(**{**vars(manifest), "interface": GraphInterface(values=values)})
    (fed,) = network_inputs(found, manifest)
    assert fed.shape == (1, 1, SIDE, SIDE)
    low, high = (-1250.0, 250.0) if values == HU else (0.0, 255.0)
    assert low <= fed.min() < fed.max() <= high
    assert (fed.min() < 0) == (values == HU)
