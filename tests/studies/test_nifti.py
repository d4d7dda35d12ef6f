import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from miniseg_edge.errors import MiniSegError
from miniseg_edge.studies import open_study, volume_from_array

SHAPE = (6, 5, 4)
HU = np.arange(120, dtype=np.int16).reshape(SHAPE) * 10 - 1000
RAS = np.diag([0.7, 0.8, 2.5, 1.0])


def written(path: Path, hu: object = HU, affine: object = RAS) -> Path:
    nibabel.save(nibabel.Nifti1Image(hu, affine), path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slices_lie_as_in_a_ct_series(tmp_path: Path, suffix: str) -> None:
    volume = open_study(written(tmp_path / f"v{suffix}")).volume()
    np.testing.assert_array_equal(volume.voxels_hu, HU[::-1, ::-1].transpose(2, 1, 0).astype(np.float32))
    assert volume.geometry.pixel_spacing_mm == pytest.approx((0.8, 0.7))
    assert volume.geometry.slice_spacing_mm == pytest.approx(2.5)
    np.testing.assert_allclose(volume.geometry.affine @ [5, 4, 3, 1], [0, 0, 7.5, 1], atol=1e-6)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_2_is_read_like_nifti_1(tmp_path: Path, suffix: str) -> None:
    nibabel.save(nibabel.Nifti2Image(HU, RAS), tmp_path / f"two{suffix}")
    one, two = open_study(written(tmp_path / "one.nii")).volume(), open_study(tmp_path / f"two{suffix}").volume()
    np.testing.assert_array_equal(two.voxels_hu, one.voxels_hu)
    np.testing.assert_allclose(two.geometry.affine, one.geometry.affine)


def test_a_truncated_nifti_2_says_how_much_is_missing(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(HU, RAS), tmp_path / "two.nii")
    data = (tmp_path / "two.nii").read_bytes()
    (tmp_path / "two.nii").write_bytes(data[:-1])
    refused(tmp_path / "two.nii", "UNSUPPORTED_FORMAT", f"truncated pixel data.*{len(data)} bytes")


def test_big_endian_nifti_is_read_alike(tmp_path: Path) -> None:
    plain = open_study(written(tmp_path / "little.nii")).volume()
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        header = kind.header_class(endianness=">")
        nibabel.save(kind(HU.astype(">i2"), RAS, header), tmp_path / "big.nii")
        np.testing.assert_array_equal(open_study(tmp_path / "big.nii").volume().voxels_hu, plain.voxels_hu)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flipped", [False, True])
def test_every_storage_order_gives_the_same_volume(tmp_path: Path, axes: tuple[int, ...], flipped: bool) -> None:
    turn = np.eye(4)
    turn[:3, :3] = np.eye(3)[:, list(axes)]
    hu = HU.transpose(axes)
    if flipped:
        turn = turn @ np.array([[-1, 0, 0, hu.shape[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
        hu = hu[::-1]
    plain = open_study(written(tmp_path / "a.nii")).volume()
    turned = open_study(written(tmp_path / "b.nii", hu, RAS @ turn)).volume()
    np.testing.assert_array_equal(turned.voxels_hu, plain.voxels_hu)
    np.testing.assert_allclose(turned.geometry.affine, plain.geometry.affine, atol=1e-5)


def refused(path: Path, code: str, text: str = ".") -> None:
    with pytest.raises(MiniSegError, match=text) as caught:
        open_study(path).volume()
    assert caught.value.code == code


def test_qform_and_sform_must_agree(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(HU, RAS)
    image.set_qform(np.diag([0.7, 0.8, 3.0, 1.0]), code=1)
    nibabel.save(image, tmp_path / "v.nii")
    refused(tmp_path / "v.nii", "GEOMETRY", "two places")


def test_neither_is_no_geometry(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(HU, None)
    nibabel.save(image, tmp_path / "v.nii")
    refused(tmp_path / "v.nii", "NO_GEOMETRY")


def test_a_fourth_axis_asks_for_the_phase(tmp_path: Path) -> None:
    path = written(tmp_path / "v.nii", np.stack([HU, HU + 1], axis=3))
    refused(path, "SEVERAL_SERIES", "2 phases")
    assert open_study(path, phase=1).volume().voxels_hu.min() == -999


def test_nan_truncation_and_other_files(tmp_path: Path) -> None:
    hu = HU.astype(np.float32)
    hu[0, 0, 0] = np.nan
    refused(written(tmp_path / "nan.nii", hu), "INPUT", "finite")
    whole = written(tmp_path / "v.nii").read_bytes()
    (tmp_path / "short.nii").write_bytes(whole[:-10])
    refused(tmp_path / "short.nii", "UNSUPPORTED_FORMAT", f"{len(whole)} bytes, got {len(whole) - 10}")
    (tmp_path / "text.nii").write_bytes(b"hello" * 100)
    refused(tmp_path / "text.nii", "UNSUPPORTED_FORMAT")
    (tmp_path / "text.nii.gz").write_bytes(b"hello" * 100)
    refused(tmp_path / "text.nii.gz", "UNSUPPORTED_FORMAT")


def test_a_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header["dim"] = [3, 8192, 8192, 8192, 1, 1, 1, 1]
    header["datatype"], header["bitpix"] = 4, 16
    header["vox_offset"], header["magic"] = 352, b"n+1"
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(2**20)))
    refused(tmp_path / "bomb.nii.gz", "INPUT", "too large")


def test_values_beyond_16_bits_are_clipped_and_recorded() -> None:
    hu = np.zeros((1, 4, 4))
    hu[0, 0] = 1e6
    volume = volume_from_array(hu, (1.0, 1.0, 1.0))
    assert volume.voxels_hu.max() == 32767
    assert "clipped" in volume.remarks[0]


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.zeros((1, 2, 2), bool), np.full((1, 2, 2), np.inf), None])
def test_bad_arrays_are_refused(bad: object) -> None:
    with pytest.raises(MiniSegError) as caught:
        volume_from_array(bad, (1.0, 1.0, 1.0))  # type: ignore[arg-type]
    assert caught.value.code == "INPUT"


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan")])
def test_bad_spacings_are_refused(spacing: float) -> None:
    with pytest.raises(MiniSegError) as caught:
        volume_from_array(np.zeros((1, 2, 2)), (spacing, 1.0, 1.0))
    assert caught.value.code == "GEOMETRY"
