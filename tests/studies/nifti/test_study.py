import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from miniseg_edge.errors import InputError, MiniSegError
from miniseg_edge.studies import open_study, volume_from_array
from miniseg_edge.studies.nifti.mask import nifti_from_mask
from miniseg_edge.studies.nifti.study import MAX_SLICES, labels_from_nifti
from miniseg_edge.studies.source_files import DiskFile
from tests.studies.nifti.test_place import rotation, set_to
from tests.studies.niftis import SMALL, write_nifti

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
    refused(tmp_path / "v.nii", "GEOMETRY", "two contradictory positions")


def test_a_fourth_axis_asks_for_the_phase(tmp_path: Path) -> None:
    path = written(tmp_path / "v.nii", np.stack([HU, HU + 1], axis=3))
    refused(path, "SEVERAL_SERIES", "2 phases")
    assert open_study(path, phase=1).volume().voxels_hu.min() == -999


def test_a_truncated_file_says_how_much_is_missing(tmp_path: Path) -> None:
    whole = written(tmp_path / "v.nii").read_bytes()
    (tmp_path / "short.nii").write_bytes(whole[:-10])
    refused(tmp_path / "short.nii", "UNSUPPORTED_FORMAT", f"{len(whole)} bytes, got {len(whole) - 10}")
    (tmp_path / "short.nii").write_bytes(whole[:300])
    refused(tmp_path / "short.nii", "UNSUPPORTED_FORMAT", "truncated header; expected 348 bytes, got 300")


class TestNan:
    """NaN is what writers put around what was scanned: air, as padding is."""

    def test_is_read_as_air_and_counted(self, tmp_path: Path) -> None:
        for dtype, share in ((np.float32, 1), (np.float64, 2), (">f4", 3)):
            hu = HU.astype(dtype)
            hu[0, 0, :share] = np.nan
            volume = open_study(write_nifti(tmp_path / "nan.nii.gz", hu)).volume()
            slices = "1 slice" if share == 1 else f"{share} slices"
            assert f"NaN read as air (-1000 HU) ({slices})" in volume.remarks
            expected = HU.astype(np.float32)
            expected[0, 0, :share] = -1000
            np.testing.assert_array_equal(volume.voxels_hu, expected[::-1, ::-1].transpose(2, 1, 0))

    def test_stays_air_where_values_are_scaled(self, tmp_path: Path) -> None:
        hu = HU.astype(np.float32)
        hu[:, :, 2] = np.nan
        edit = set_to(scl_slope=2.0, scl_inter=-24.0)
        volume = open_study(write_nifti(tmp_path / "nan.nii", hu, edit=edit)).volume()
        assert (volume.voxels_hu[2] == -1000).all()
        assert volume.voxels_hu[0].max() == 2 * HU[:, :, 0].max() - 24
        assert "constant slice (1 slice)" in volume.remarks

    def test_alone_is_refused(self, tmp_path: Path) -> None:
        hu = np.full(SHAPE, np.nan, np.float32)
        refused(write_nifti(tmp_path / "nan.nii", hu), "INPUT", "contains no HU; expected finite values, got only NaN")
        two = np.stack([np.full(SHAPE, np.nan), HU], axis=3)
        refused(write_nifti(tmp_path / "two.nii", two), "SEVERAL_SERIES")
        with pytest.raises(MiniSegError, match="only NaN"):
            open_study(tmp_path / "two.nii", phase=0)
        assert open_study(tmp_path / "two.nii", phase=1).volume().remarks == ()

    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_infinity_is_refused(self, tmp_path: Path, value: float) -> None:
        hu = HU.astype(np.float32)
        hu[0, 0, 0], hu[1, 1, 0] = value, np.nan
        refused(write_nifti(tmp_path / "inf.nii", hu), "INPUT", "not finite")

    def test_a_label_is_never_air(self, tmp_path: Path) -> None:
        hu = np.zeros(SHAPE, np.float32)
        hu[0, 0, 0] = np.nan
        labels = labels_from_nifti(DiskFile(write_nifti(tmp_path / "labels.nii", hu)))
        assert labels.read(1).voxels_hu.max() == 0
        with pytest.raises(InputError, match="not finite"):
            labels.read(0)


class TestValues:
    """Types and scaling."""

    @pytest.mark.parametrize("order", "<>")
    @pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
    @pytest.mark.parametrize("version", [1, 2])
    def test_every_type_in_both_byte_orders(self, tmp_path: Path, kind: str, order: str, version: int) -> None:
        stored = np.arange(120).reshape(SHAPE).astype(order + kind)
        kinds = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}
        image = kinds[version](stored, RAS, kinds[version].header_class(endianness=order), dtype=stored.dtype)
        image.header.set_slope_inter(1, 0)
        nibabel.save(image, tmp_path / "v.nii.gz")
        volume = open_study(tmp_path / "v.nii.gz").volume()
        expected = stored[::-1, ::-1].transpose(2, 1, 0).astype(np.float32)
        np.testing.assert_array_equal(volume.voxels_hu, expected)
        np.testing.assert_allclose(np.abs(np.diag(volume.geometry.affine))[:3], [0.7, 0.8, 2.5], rtol=1e-5)

    @pytest.mark.parametrize(
        ("code", "what"),
        [
            (0, "data type 0"), (1, "single bits"), (32, "complex numbers"), (128, "RGB colours"),
            (255, "data type 255"), (1536, "128-bit floating numbers"), (1792, "complex numbers"),
            (2048, "complex numbers"),
            (2304, "RGBA colours"), (-4, "data type -4"),
        ],
    )  # fmt: skip
    def test_other_types_are_refused_by_name(self, tmp_path: Path, code: int, what: str) -> None:
        path = write_nifti(tmp_path / "v.nii", edit=set_to(datatype=code))
        refused(path, "UNSUPPORTED_FORMAT", f"contains no HU; expected integers or floating numbers.*got {what}$")

    @pytest.mark.parametrize(
        ("slope", "intercept", "remarked"),
        [(0, 0, False), (0, -1024, True), (np.nan, np.nan, False), (np.nan, 5, True), (-0.0, np.inf, False)],
    )
    def test_no_slope_is_no_scaling(self, tmp_path: Path, slope: float, intercept: float, remarked: bool) -> None:
        for version in (1, 2):
            edit = set_to(scl_slope=slope, scl_inter=intercept)
            study = open_study(write_nifti(tmp_path / "v.nii", edit=edit, version=version))
            np.testing.assert_array_equal(study.read(0).voxels_hu, HU[::-1, ::-1, 0].T)
            remark = "scl_slope is 0, so scl_inter is not applied, as NIfTI has it"
            assert study.remarks == ((remark,) if remarked else ())

    @pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (2.5, 0.5), (-1, 3), (1e-3, 0)])
    @pytest.mark.parametrize("dtype", [np.int16, np.float32])
    def test_values_are_scaled(self, tmp_path: Path, slope: float, intercept: float, dtype: type) -> None:
        edit = set_to(scl_slope=slope, scl_inter=intercept)
        study = open_study(write_nifti(tmp_path / "v.nii", HU.astype(dtype), edit=edit))
        expected = HU[::-1, ::-1, 1].T.astype(np.float64) * np.float32(slope) + np.float32(intercept)
        np.testing.assert_array_equal(study.read(1).voxels_hu, expected.astype(np.float32))

    @pytest.mark.parametrize(("slope", "intercept"), [(np.inf, 0), (1, np.nan), (2, -np.inf), (-np.inf, np.nan)])
    def test_scaling_that_is_no_number_is_refused(self, tmp_path: Path, slope: float, intercept: float) -> None:
        path = write_nifti(tmp_path / "v.nii", edit=set_to(scl_slope=slope, scl_inter=intercept))
        refused(path, "RESCALE", "cannot be converted to HU; expected a finite scl_slope and scl_inter")

    def test_scaling_beyond_all_numbers_is_refused(self, tmp_path: Path) -> None:
        edit = set_to(scl_slope=1e308, scl_inter=0.0)
        for dtype in (np.int16, np.float64):
            path = write_nifti(tmp_path / "v.nii", HU.astype(dtype), edit=edit, version=2)
            refused(path, "INPUT", "not finite")


class TestHeader:
    """Axes, places in the file, and what the file says it is."""

    def test_axes_of_one_voxel_at_the_end_are_no_phases(self, tmp_path: Path) -> None:
        for dim in ([3], [4, 1], [5, 1, 1], [7, 1, 1, 1, 1]):
            edit = set_to(dim=([dim[0], *SHAPE, *dim[1:]] + [1] * 7)[:8])
            volume = open_study(write_nifti(tmp_path / "v.nii", edit=edit)).volume()
            np.testing.assert_array_equal(volume.voxels_hu, HU[::-1, ::-1].transpose(2, 1, 0))

    @pytest.mark.parametrize("axes", [0, 1, 2, 8, -3, 30000])
    def test_too_few_axes_or_too_many_are_refused(self, tmp_path: Path, axes: int) -> None:
        path = write_nifti(tmp_path / "v.nii", edit=set_to(dim=[axes, *SHAPE, 1, 1, 1, 1]))
        refused(path, "UNSUPPORTED_FORMAT", "is not a volume; expected three axes or four")

    @pytest.mark.parametrize("dim", [[3, 6, 5, 0], [3, -6, 5, 4], [4, 6, 5, 4, 0]])
    def test_an_axis_without_voxels_is_refused(self, tmp_path: Path, dim: list[int]) -> None:
        path = write_nifti(tmp_path / "v.nii", edit=set_to(dim=(dim + [1] * 7)[:8]))
        refused(path, "UNSUPPORTED_FORMAT", "is not a volume")

    def test_several_values_for_each_voxel_are_refused(self, tmp_path: Path) -> None:
        for shape in ((*SHAPE, 1, 3), (*SHAPE, 2, 2), (*SHAPE, 1, 1, 6)):
            path = write_nifti(tmp_path / "v.nii", np.zeros(shape, np.int16))
            refused(path, "UNSUPPORTED_FORMAT", "has several values per voxel")

    @pytest.mark.parametrize("offset", [0, 347, 352.5, -1, 2**25, np.nan, np.inf])
    def test_voxels_start_after_the_header(self, tmp_path: Path, offset: float) -> None:
        path = write_nifti(tmp_path / "v.nii", edit=set_to(vox_offset=offset))
        refused(path, "UNSUPPORTED_FORMAT", "has an invalid voxel offset; expected a byte from 352 to")

    @pytest.mark.parametrize(
        ("magic", "what"), [(b"ni1", r"half of a pair \(.hdr, .img\)"), (b"", "Analyze 7.5"), (b"n+3", "Analyze 7.5")]
    )
    def test_what_is_not_one_file_is_refused(self, tmp_path: Path, magic: bytes, what: str) -> None:
        path = write_nifti(tmp_path / "v.nii", edit=set_to(magic=magic))
        refused(path, "UNSUPPORTED_FORMAT", f"is not single-file NIfTI.*got {what}.*Save it as .nii.gz")

    def test_a_file_that_was_copied_as_text_is_refused(self, tmp_path: Path) -> None:
        path = write_nifti(tmp_path / "v.nii", edit=set_to(eol_check=[10, 26, 10, 0]), version=2)
        refused(path, "UNSUPPORTED_FORMAT", "converted line endings")

    @pytest.mark.parametrize("intent", [1002, 1003])
    def test_a_label_map_by_its_own_word_is_no_ct(self, tmp_path: Path, intent: int) -> None:
        path = write_nifti(tmp_path / "v.nii.gz", edit=set_to(intent_code=intent))
        refused(path, "WRONG_MODALITY", "is a label map by its header's intent")
        assert labels_from_nifti(DiskFile(path)).volume().voxels_hu.max() == HU.max()

    def test_a_mask_of_ours_is_no_ct(self, tmp_path: Path) -> None:
        volume = open_study(write_nifti(tmp_path / "v.nii")).volume()
        mask = nifti_from_mask((volume.voxels_hu > 0).astype(np.uint8), volume.geometry, volume.origin)
        (tmp_path / "mask.nii").write_bytes(mask)
        refused(tmp_path / "mask.nii", "WRONG_MODALITY")

    @pytest.mark.parametrize(("sizes", "what"), [((0.7, 0.7, 3.0), "axial"), ((0.7, 3.0, 0.7), "coronal"),
                                                 ((3.0, 0.7, 0.7), "sagittal")])  # fmt: skip
    def test_a_stack_of_coronal_or_sagittal_slices_is_refused(
        self, tmp_path: Path, sizes: tuple[float, ...], what: str
    ) -> None:
        for axes in ((0, 1, 2), (2, 0, 1)):  # however it is stored
            affine = np.diag([*sizes, 1.0])
            affine[:, :3] = affine[:, list(axes)]
            path = write_nifti(tmp_path / "v.nii", affine=affine)
            if what == "axial":
                assert open_study(path).geometry.slice_spacing_mm == pytest.approx(3)
            else:
                refused(path, "NOT_AXIAL", f"is a stack of {what} slices")

    def test_slices_without_number_are_refused(self, tmp_path: Path) -> None:
        path = write_nifti(tmp_path / "v.nii.gz", np.zeros((1, 1, MAX_SLICES + 1), np.int8), version=2)
        refused(path, "INPUT", "has too many slices; expected at most 65536, got 65537")

    def test_slices_that_are_far_from_axial_are_refused(self, tmp_path: Path) -> None:
        for degrees in ((44, 0, 0), (0, -40, 0), (20, 20, 70)):
            assert open_study(write_nifti(tmp_path / "v.nii", affine=rotation(*degrees))).remarks == ()
        for degrees in ((44, 44, 0), (-40, 40, 10)):
            path = write_nifti(tmp_path / "v.nii", affine=rotation(*degrees))
            refused(
                path, "NOT_AXIAL", r"are not axial; expected a normal within 45 degrees of .*, got \d\d\. Hand over"
            )


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


def test_implausible_spacings_are_remarked_upon(tmp_path: Path) -> None:
    affine = np.diag([-0.02, -0.02, 2.5, 1.0])
    (remark,) = open_study(write_nifti(tmp_path / "a.nii", SMALL, affine)).remarks
    assert "implausible pixel spacing of 0.02 mm" in remark


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan")])
def test_bad_spacings_are_refused(spacing: float) -> None:
    with pytest.raises(MiniSegError) as caught:
        volume_from_array(np.zeros((1, 2, 2)), (spacing, 1.0, 1.0))
    assert caught.value.code == "GEOMETRY"
