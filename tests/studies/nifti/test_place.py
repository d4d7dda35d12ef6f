"""The affine from the two forms: what agrees, what a qform cannot say, what contradicts, and what is unknown."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.errors import GeometryError, MiniSegError
from miniseg_edge.studies import open_study
from miniseg_edge.studies.nifti.header import header_from_bytes
from miniseg_edge.studies.nifti.place import UNKNOWN, Place, place_from_forms
from tests.studies.niftis import RAS, SMALL, EditHeader, nifti_bytes, tilted, write_nifti

SHEARED = "the sform has shear, which the qform cannot say; read by the sform"
ANGLES = st.one_of(st.floats(-180, 180), st.floats(-0.1, 0.1), st.floats(179.9, 180.1))
QUATERNION = ("quatern_b", "quatern_c", "quatern_d")


def place(data: bytes) -> Place:
    header = header_from_bytes(data[:540], "v.nii")
    return place_from_forms(header.forms, header.grid, "v.nii")


def with_forms(sform: Any, qform: Any, codes: tuple[int, int] = (1, 1), **options: Any) -> bytes:
    """A file with an sform and a qform of their own."""
    image = nibabel.Nifti1Image(SMALL, None)
    image.set_sform(sform, code=codes[0], update_affine=False)
    image.set_qform(qform, code=codes[1], update_affine=False, **options)
    return bytes(image.to_bytes())


def set_to(**values: object) -> EditHeader:
    def edit(header: Any) -> None:
        for name, value in values.items():
            header[name] = value

    return edit


def rotation(*degrees: float) -> Any:
    """Turned around x, then y, then z."""
    found = np.eye(4)
    for axis, angle in enumerate(np.radians(degrees)):
        turn = np.eye(4)
        one, other = (axis + 1) % 3, (axis + 2) % 3
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        found = turn @ found
    return found


class TestATiltedGantry:
    """A sheared sform: the qform that writers add does not contradict it."""

    @pytest.mark.parametrize("degrees", [-28.0, -7.5, 0.3, 16.7, 30.0])
    @pytest.mark.parametrize("axis", [0, 1])
    def test_is_read_by_its_sform(self, tmp_path: Path, degrees: float, axis: int) -> None:
        affine = tilted(degrees, axis=axis)
        volume = open_study(write_nifti(tmp_path / "v.nii.gz", affine=affine)).volume()
        remark = f"tilted gantry: {abs(degrees):.1f} degrees"
        assert remark in volume.remarks
        # A small shear is within the tolerance that rounding has, and then the qform says it.
        assert (SHEARED in volume.remarks) == (abs(degrees) > 1)
        assert volume.geometry.pixel_spacing_mm == pytest.approx((0.8, 0.7))
        assert volume.geometry.slice_spacing_mm == pytest.approx(2.5 * np.cos(np.radians(degrees)))

    def test_lies_in_millimetres_where_its_sform_says(self, tmp_path: Path) -> None:
        affine = tilted(20)
        study = open_study(write_nifti(tmp_path / "v.nii", affine=affine))
        for column, row, index in ((0, 0, 0), (5, 0, 3), (0, 4, 2)):
            stored = np.array([5 - column, 4 - row, index, 1.0])  # turned to lie like a CT series
            np.testing.assert_allclose(
                study.geometry.affine @ [column, row, index, 1], affine @ stored * [-1, -1, 1, 1], atol=1e-4
            )

    @pytest.mark.parametrize("size", ["step", "distance"])
    @pytest.mark.parametrize("way", ["nearest to the directions", "nearest to the steps", "in the slices' plane"])
    def test_beside_a_qform_of_any_writer(self, size: str, way: str) -> None:
        affine = tilted(18)
        linear = affine[:3, :3]
        lengths = np.linalg.norm(linear, axis=0)
        normal = np.cross(linear[:, 0], linear[:, 1]) / (lengths[0] * lengths[1])
        if way == "in the slices' plane":
            turn = np.column_stack([linear[:, 0] / lengths[0], linear[:, 1] / lengths[1], normal])
        else:
            left, _, right = np.linalg.svd(linear / lengths if "directions" in way else linear)
            turn = left @ right
        qform = affine.copy()
        qform[:3, :3] = turn * [*lengths[:2], lengths[2] if size == "step" else normal @ linear[:, 2]]
        found = place(with_forms(affine, qform))
        np.testing.assert_allclose(found.affine, affine, atol=1e-4)
        assert found.remarks == (SHEARED,)
        assert found.forms.qform_code == 0

    def test_beside_a_qform_that_lies_elsewhere_is_refused(self) -> None:
        affine = tilted(18)
        for elsewhere, text in (
            (rotation(0, 0, 9) @ affine, "9.00 degrees"),
            (affine @ np.diag([1, 1, 1.2, 1]), "voxels of 0.7 x 0.8 x 2.5 mm by the sform and 0.7 x 0.8 x 3 mm"),
            (
                affine + np.array([[0, 0, 0, 0]] * 2 + [[0, 0, 0, 7.0]] + [[0] * 4]),
                r"6\.\d\d mm at the volume's centre",
            ),
        ):
            with pytest.raises(GeometryError, match=text):
                place(with_forms(affine, elsewhere, strip_shears=True))

    def test_sheared_in_the_plane_is_refused(self, tmp_path: Path) -> None:
        sheared = RAS.copy()
        sheared[0, 1] = 0.2
        for codes in ({"qform_code": 0}, {}):
            with pytest.raises(GeometryError, match=r"rows and columns at a right angle, got \d+\.\d\d degrees"):
                open_study(write_nifti(tmp_path / "v.nii", affine=sheared, edit=set_to(**codes)))


class TestTwoForms:
    """Both codes above 0."""

    def test_rounding_is_no_contradiction(self) -> None:
        sform = np.diag([-0.703125, -0.703125, 2.5, 1.0])
        sform[:3, 3] = 176.4, 180.12345, -912.5
        rounded = np.diag([-0.7, -0.7, 2.5, 1.0])
        rounded[:3, 3] = 176.4, 180.1, -912.5
        found = place(with_forms(sform, rounded))
        np.testing.assert_allclose(found.affine, sform, atol=1e-4)
        assert found.remarks == ()
        assert (found.forms.sform_code, found.forms.qform_code) == (1, 1)

    def test_rounding_that_adds_up_is_remarked(self, tmp_path: Path) -> None:
        hu = np.zeros((512, 512, 2), np.int16)
        write_nifti(
            tmp_path / "v.nii", hu, np.diag([0.703125, 0.703125, 2, 1]), set_to(pixdim=[1, 0.7, 0.7, 2] + [1] * 4)
        )
        (remark,) = open_study(tmp_path / "v.nii").remarks
        assert remark == "qform and sform differ by up to 2.3 mm; read by the sform"

    @pytest.mark.parametrize(
        ("qform", "text"),
        [
            (np.diag([0.7, 0.8, 3.0, 1.0]), "voxels of 0.7 x 0.8 x 2.5 mm by the sform and 0.7 x 0.8 x 3 mm by the q"),
            (rotation(0, 0, 3) @ RAS, "3.00 degrees"),
            (rotation(1.5, 0, 0) @ RAS, "1.50 degrees"),
            (np.diag([-0.7, 0.8, 2.5, 1.0]), "mirrored"),
            (RAS + np.outer([4, 3, 0, 0], [0, 0, 0, 1]), "5.00 mm at the volume's c"),
            (RAS + np.outer([0.2, 0, 0, 0], [0, 0, 0, 1]), "0.20 mm at the volume's centre"),
        ],
    )
    def test_that_differ_are_refused_with_how(self, qform: Any, text: str) -> None:
        with pytest.raises(
            GeometryError, match="has two contradictory positions; expected equal qform and sform"
        ) as caught:
            place(with_forms(RAS, qform))
        assert text in str(caught.value)

    def test_a_registered_sform_beside_the_scanners_qform_is_refused(self) -> None:
        """Codes 4 and 1: a template's space and the scanner's; neither can be used silently."""
        registered = rotation(4, -2, 6) @ np.diag([0.75, 0.82, 2.4, 1.0])
        registered[:3, 3] = -90, -126, -72
        with pytest.raises(GeometryError, match=r"mm at the volume's centre, \d\.\d\d degrees, voxels of"):
            place(with_forms(registered, RAS, (4, 1)))
        for codes, expected in (((4, 0), registered), ((0, 1), RAS)):
            np.testing.assert_allclose(place(with_forms(registered, RAS, codes)).affine, expected, atol=1e-4)

    @settings(deadline=None)
    @given(degrees=st.tuples(ANGLES, ANGLES, ANGLES), offset=st.tuples(*[st.floats(-900, 900)] * 3),
           thickness=st.floats(0.1, 40))  # fmt: skip
    def test_any_rotation_is_the_same_in_both(
        self, degrees: tuple[float, ...], offset: tuple[float, ...], thickness: float
    ) -> None:
        """Near half a turn a quaternion in float32 says an angle least well."""
        affine = rotation(*degrees) @ np.diag([0.7, 0.8, thickness, 1])
        affine[:3, 3] = offset
        found = place(nifti_bytes(affine=affine))
        np.testing.assert_allclose(found.affine, affine, rtol=1e-6, atol=1e-4)
        assert (found.remarks, found.forms.qform_code) == ((), 1)
        by_qform = place(nifti_bytes(affine=affine, edit=set_to(sform_code=0)))
        np.testing.assert_allclose(by_qform.affine, affine, rtol=1e-6, atol=max(0.005, thickness / 1000))


class TestNeitherForm:
    """Both codes 0."""

    def test_lies_as_others_assume_and_says_so(self, tmp_path: Path) -> None:
        for version in (1, 2):
            edit = set_to(pixdim=[1, 0.7, 0.8, 2.5, 0, 0, 0, 0])
            path = write_nifti(tmp_path / f"{version}.nii", affine=None, edit=edit, version=version)
            volume = open_study(path).volume()
            assert volume.remarks == (UNKNOWN,)
            loaded: Any = nibabel.load(path)
            np.testing.assert_allclose(place(path.read_bytes()).affine, loaded.affine, atol=1e-6)
            np.testing.assert_array_equal(volume.voxels_hu, SMALL[:, ::-1].transpose(2, 1, 0))
            assert volume.geometry.pixel_spacing_mm == pytest.approx((0.8, 0.7))

    @pytest.mark.parametrize("size", [0.0, -0.7, float("nan"), float("inf")])
    def test_without_a_voxel_size_is_no_geometry(self, size: float) -> None:
        with pytest.raises(GeometryError, match="the voxel size of") as caught:
            place(nifti_bytes(affine=None, edit=set_to(pixdim=[1, size, 0.8, 2.5, 0, 0, 0, 0])))
        assert caught.value.code == "NO_GEOMETRY"


class TestOddHeaders:
    """Values that are missing, impossible, or in other units."""

    @pytest.mark.parametrize(("unit", "mm", "name"), [(1, 1000, "metres"), (3, 1e-3, "micrometres")])
    @pytest.mark.parametrize("codes", [(1, 1), (1, 0), (0, 1), (0, 0)])
    def test_lengths_in_other_units(self, unit: int, mm: float, name: str, codes: tuple[int, int]) -> None:
        affine = np.diag([0.7 / mm, 0.8 / mm, 2.5 / mm, 1])
        affine[:3, 3] = 1 / mm, 2 / mm, 3 / mm
        edit = set_to(xyzt_units=unit | 8, sform_code=codes[0], qform_code=codes[1])
        found = place(nifti_bytes(affine=affine, edit=edit))
        assert found.remarks[0] == f"the header's lengths are in {name}"
        np.testing.assert_allclose(np.linalg.norm(found.affine[:3, :3], axis=0), [0.7, 0.8, 2.5], rtol=1e-5)
        if any(codes):
            np.testing.assert_allclose(found.affine[:3, 3], [1, 2, 3], rtol=1e-5)
        assert found.forms.units == unit

    def test_no_unit_is_mm_and_another_is_remarked(self) -> None:
        for unit, remarked in ((0, False), (2, False), (2 | 24, False), (5, True)):
            found = place(nifti_bytes(edit=set_to(xyzt_units=unit)))
            np.testing.assert_allclose(found.affine, RAS, atol=1e-6)
            assert bool(found.remarks) == remarked
            assert found.forms.units == 2

    @pytest.mark.parametrize("unit", [1, 2, 3])
    def test_a_unit_that_cannot_be_is_refused(self, unit: int) -> None:
        factor = {1: 1.0, 2: 1e-3, 3: 1.0}[unit]
        with pytest.raises(GeometryError, match=r"voxels of 0\.01 to 100 mm"):
            place(
                nifti_bytes(affine=np.diag([0.7 * factor, 0.8 * factor, 2.5 * factor, 1]), edit=set_to(xyzt_units=unit))
            )

    @pytest.mark.parametrize(
        "values",
        [
            {"srow_x": [0, 0, 0, 0]},
            {"srow_x": [0, 0.8, 0, 0]},
            {"srow_z": [np.nan, 0, 2.5, 0]},
            {"srow_z": [0, 0, np.inf, 0]},
            {"srow_z": [0, 0, 2.5, 1e9]},
            {"srow_x": [3e38, 3e38, 3e38, 3e38]},
        ],
    )
    @pytest.mark.parametrize("qform_code", [0, 1])
    def test_an_impossible_sform_is_refused(self, values: dict[str, list[float]], qform_code: int) -> None:
        with pytest.raises(GeometryError, match=r"the sform of v\.nii is invalid"):
            place(nifti_bytes(edit=set_to(**values, qform_code=qform_code)))

    @pytest.mark.parametrize(
        "values",
        [
            {"quatern_b": 0.9, "quatern_c": 0.9},
            {"quatern_d": np.nan},
            {"quatern_d": np.inf},
            {"qoffset_x": np.nan},
            {"qoffset_x": 1e12},
            {"pixdim": [np.nan, 0.7, 0.8, 2.5, 1, 1, 1, 1]},
            {"pixdim": [1, 0.7, 0.0, 2.5, 1, 1, 1, 1]},
            {"pixdim": [1, 0.7, 0.8, -2.5, 1, 1, 1, 1]},
            {"pixdim": [1, 3e38, 0.8, 2.5, 1, 1, 1, 1]},
        ],
    )
    @pytest.mark.parametrize("sform_code", [0, 1])
    def test_an_impossible_qform_is_refused(self, values: dict[str, Any], sform_code: int) -> None:
        with pytest.raises(GeometryError, match=r"(qform|voxel size) of v\.nii is invalid"):
            place(nifti_bytes(edit=set_to(**values, sform_code=sform_code)))

    def test_a_form_that_is_not_used_may_be_impossible(self) -> None:
        for broken in (
            set_to(quatern_b=np.nan, qoffset_x=np.inf, qform_code=0),
            set_to(srow_x=[np.nan] * 4, sform_code=0),
        ):
            np.testing.assert_allclose(place(nifti_bytes(edit=broken)).affine, RAS, atol=1e-6)

    @pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), 1.5])
    def test_a_voxel_size_beside_a_lone_sform_is_remarked(self, size: float) -> None:
        found = place(nifti_bytes(edit=set_to(qform_code=0, pixdim=[1, size, 0.8, 2.5, 1, 1, 1, 1])))
        np.testing.assert_allclose(found.affine, RAS, atol=1e-6)
        assert found.remarks == (
            f"pixdim says voxels of {size:.4g} x 0.8 x 2.5 mm, the sform 0.7 x 0.8 x 2.5 mm; read by the sform",
        )
        assert found.forms.pixdim == pytest.approx((1, 0.7, 0.8, 2.5))

    @pytest.mark.parametrize(("sign", "third"), [(0.0, 2.5), (1.0, 2.5), (-1.0, -2.5), (-3.0, -2.5), (2.0, 2.5)])
    def test_the_sign_of_the_third_axis(self, sign: float, third: float) -> None:
        """nifti1.h: 0 is taken for 1; its library looks at the sign alone."""
        values: dict[str, Any] = {"sform_code": 0, "pixdim": [sign, 0.7, 0.8, 2.5, 1, 1, 1, 1]}
        found = place(nifti_bytes(edit=set_to(**values, **dict.fromkeys(QUATERNION, 0.0))))
        np.testing.assert_allclose(found.affine, np.diag([0.7, 0.8, third, 1]), atol=1e-6)
        assert found.forms.pixdim[0] == np.sign(third)

    def test_a_quaternion_that_was_rounded_is_read(self) -> None:
        turn = rotation(0, 0, 180) @ RAS
        for d in (1.0, 1.0003, 0.99999999):
            found = place(nifti_bytes(affine=turn, edit=set_to(sform_code=0, quatern_d=d)))
            np.testing.assert_allclose(found.affine, turn, atol=1e-6)

    def test_no_message_is_a_librarys(self) -> None:
        with pytest.raises(MiniSegError) as caught:
            place(nifti_bytes(edit=set_to(quatern_b=0.9, quatern_c=0.9)))
        assert str(caught.value) == (
            "GEOMETRY: the qform of v.nii is invalid; expected b, c and d of a unit quaternion, got length 1.273"
        )


def test_the_published_case(shared: Path) -> None:
    study = open_study(shared / "data" / "field-cases" / "tilted_like_dcm2niix.nii.gz")
    assert study.remarks == (SHEARED, "tilted gantry: 16.7 degrees")
