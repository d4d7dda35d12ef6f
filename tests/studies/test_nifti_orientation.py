"""One patient, one volume: the 48 ways of storing the same voxels are read alike, and a mask goes back into each."""

from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.studies import Volume, open_study
from miniseg_edge.studies.nifti.mask import nifti_from_mask
from tests.studies.nifti.test_place import rotation
from tests.studies.niftis import SMALL, Array, chest, tilted, write_nifti

STORAGES = tuple((axes, flips) for axes in permutations(range(3)) for flips in product((1, -1), repeat=3))
AFFINES = {
    "straight": np.diag([0.7, 0.8, 2.5, 1.0]),
    "oblique": rotation(12, -7, 9) @ np.diag([0.7, 0.8, 2.5, 1.0]) + np.outer([-3, 4, 50, 0], [0, 0, 0, 1]),
    "tilted": tilted(16.7),
    "tilted and oblique": rotation(3, 5, 20) @ tilted(-24, axis=1),
}


def stored_as(hu: Array, affine: Array, axes: tuple[int, ...], flips: tuple[int, ...]) -> tuple[Array, Array]:
    """The same voxels at the same places, in another order: (voxels, affine)."""
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
        turn[old, new] = flip
        turn[old, 3] = 0 if flip > 0 else hu.shape[old] - 1
    stored = hu.transpose(axes)[tuple(slice(None, None, flip) for flip in flips)]
    return np.ascontiguousarray(stored), affine @ turn


def read_and_back(path: Path, hu: Array, affine: Array, **options: Any) -> Volume:
    """The volume; its mask has been checked to lie in the file's own order and place."""
    volume = open_study(write_nifti(path, hu, affine, **options)).volume()
    mask = nifti_from_mask((volume.voxels_hu > 0).astype(np.uint8), volume.geometry, volume.origin)
    image = nibabel.Nifti1Image.from_bytes(mask)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), hu > 0)
    np.testing.assert_allclose(image.affine, affine, rtol=1e-6, atol=1e-4)
    return volume


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("version", [1, 2])
def test_all_48_ways_give_one_volume(tmp_path: Path, name: str, version: int) -> None:
    affine = AFFINES[name]
    plain = read_and_back(tmp_path / "v.nii", SMALL, affine, version=version)
    for axes, flips in STORAGES:
        again = read_and_back(tmp_path / "v.nii", *stored_as(SMALL, affine, axes, flips), version=version)
        np.testing.assert_array_equal(again.voxels_hu, plain.voxels_hu)
        np.testing.assert_allclose(again.geometry.affine, plain.geometry.affine, rtol=1e-6, atol=1e-4)
        assert again.remarks == plain.remarks


@settings(deadline=None)
@given(
    degrees=st.tuples(*[st.floats(-25, 25)] * 3),
    tilt=st.floats(-20, 20),
    around=st.sampled_from([0, 1]),
    sizes=st.tuples(st.floats(0.5, 0.9), st.floats(0.5, 0.9), st.floats(0.5, 10)),
    offset=st.tuples(*[st.floats(-2000, 2000)] * 3),
    storage=st.sampled_from(STORAGES),
)
def test_any_place_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    degrees: Any,
    tilt: float,
    around: int,
    sizes: Any,
    offset: Any,
    storage: Any,
) -> None:
    path = tmp_path_factory.getbasetemp() / "v.nii"
    affine = rotation(*degrees) @ tilted(tilt, sizes, around)
    affine[:3, 3] = offset
    plain = read_and_back(path, SMALL, affine)
    again = read_and_back(path, *stored_as(SMALL, affine, *storage))
    np.testing.assert_array_equal(again.voxels_hu, plain.voxels_hu)
    np.testing.assert_allclose(again.geometry.affine, plain.geometry.affine, rtol=1e-5, atol=1e-3)
    assert again.geometry.tilt_degrees == pytest.approx(abs(tilt), abs=0.02)
    # What lies at a voxel lies at the millimetre that the file's affine says.
    index = np.argwhere(plain.voxels_hu[1, 2, 3] == SMALL)[0]
    np.testing.assert_allclose(
        plain.geometry.affine @ [3, 2, 1, 1], affine @ [*index, 1] * [-1, -1, 1, 1], rtol=1e-5, atol=1e-3
    )


def test_phases_are_turned_alike(tmp_path: Path) -> None:
    hu = chest(3)
    for axes, flips in STORAGES[::7]:
        stored, affine = stored_as(hu, AFFINES["tilted"], axes, flips)
        path = write_nifti(tmp_path / "v.nii.gz", np.stack([stored - 5, stored], axis=3), affine)
        one = open_study(write_nifti(tmp_path / "one.nii", hu, AFFINES["tilted"])).volume()
        np.testing.assert_array_equal(open_study(path, phase=1).volume().voxels_hu, one.voxels_hu)
        np.testing.assert_array_equal(open_study(path, phase=0).volume().voxels_hu, one.voxels_hu - 5)
