"""Values that are not HU are told from the values; those that are pass, however CT varies."""

import operator
from collections.abc import Iterable
from functools import reduce
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from miniseg_edge.errors import HuValuesError, InputError, MiniSegError
from miniseg_edge.slices.hu_values import Likeness, checked, judged, lung_remarks
from miniseg_edge.slices.images import slice_from_file
from miniseg_edge.slices.value_counts import ValueCounts, counted
from miniseg_edge.studies import open_study
from tests.ct_values import NOT_HU, NOT_HU_AS_A_VOLUME, VARIATIONS, WINDOW, Volume, padded, phantom_hu, zoomed
from tests.studies.series import stored_slice

FIRST = [0, 4, 8, 12]


def of_volume(volume: Iterable[Volume]) -> ValueCounts:
    return reduce(operator.add, (counted(slice_, lungs=True) for slice_ in volume))


class TestHu:
    """HU pass without a remark."""

    @pytest.mark.parametrize("first", FIRST)
    @pytest.mark.parametrize("name", VARIATIONS)
    def test_phantoms_pass_however_ct_varies(self, name: str, first: int) -> None:
        volume = VARIATIONS[name](phantom_hu(4, (96, 96), first))
        assert checked(of_volume(volume)) == ()
        for slice_ in volume:
            assert checked(counted(slice_)) == ()

    @pytest.mark.parametrize("size", [(48, 64), (64, 64), (160, 128), (512, 512)])
    def test_phantoms_of_any_size_pass(self, size: tuple[int, int]) -> None:
        assert checked(of_volume(phantom_hu(3, size, 30))) == ()

    def test_the_series_of_the_tests_pass(self) -> None:
        assert checked(of_volume([stored_slice(index) - 1024 for index in range(12)])) == ()

    def test_slices_of_air_in_a_volume_pass(self) -> None:
        volume = phantom_hu(6)
        volume[:2] = -1024
        volume[5] = -1000
        assert checked(of_volume(volume)) == ()

    def test_a_phantom_of_few_values_passes(self) -> None:
        volume = np.full((4, 64, 64), -1000, np.int16)
        volume[:, 8:56, 8:56] = 40
        volume[:, 16:48, 14:28] = volume[:, 16:48, 36:50] = -850
        volume[1:3, 20:26, 16:24] = -300
        assert checked(of_volume(volume)) == ()
        assert checked(counted(volume[1])) == ()

    def test_a_liver_with_air_around_it_passes(self) -> None:
        slice_ = np.random.default_rng(0).normal(-1000, 12, (128, 128))
        slice_[20:108, 12:116] = np.random.default_rng(1).normal(-100, 15, (88, 104))
        slice_[28:100, 20:108] = np.random.default_rng(2).normal(60, 15, (72, 88))
        assert checked(counted(np.rint(slice_))) == ()

    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(
        first=st.integers(0, 30),
        side=st.sampled_from([64, 96]),
        change=st.sampled_from(sorted(VARIATIONS)),
        other=st.sampled_from(sorted(VARIATIONS)),
        shift=st.integers(-30, 30),
        slope=st.floats(0.97, 1.03),
        order=st.integers(0, 7),
    )
    def test_any_plausible_series_passes(
        self, first: int, side: int, change: str, other: str, shift: int, slope: float, order: int
    ) -> None:
        assume(not (change.startswith("padded") and other.startswith("padded")))
        volume = np.rint(phantom_hu(3, (side, side), first) * slope + shift)
        volume = np.rot90(VARIATIONS[other](VARIATIONS[change](volume)), order % 4, (1, 2))[:, :: 1 - 2 * (order // 4)]
        assert judged(of_volume(volume)).likeness is not Likeness.NOT_HU
        for slice_ in volume:
            assert judged(counted(slice_)).likeness is not Likeness.NOT_HU


class TestNotHu:
    """What is not HU is refused, saying what it looks like."""

    @pytest.mark.parametrize("first", FIRST)
    @pytest.mark.parametrize("name", [*NOT_HU, *NOT_HU_AS_A_VOLUME])
    def test_volumes_are_refused(self, name: str, first: int) -> None:
        change, looks_like = (NOT_HU | NOT_HU_AS_A_VOLUME)[name]
        with pytest.raises(HuValuesError) as caught:
            checked(of_volume(change(phantom_hu(4, (64, 64), first))))
        assert looks_like in caught.value.got
        assert caught.value.remedy.endswith("--assume-hu, or assume_hu=True, accepts them as HU.")

    @pytest.mark.parametrize("first", FIRST)
    @pytest.mark.parametrize("name", NOT_HU)
    def test_slices_are_refused(self, name: str, first: int) -> None:
        change, looks_like = NOT_HU[name]
        for slice_ in change(phantom_hu(3, (96, 96), first)):
            with pytest.raises(HuValuesError) as caught:
                checked(counted(slice_))
            assert looks_like in caught.value.got

    @pytest.mark.parametrize("first", FIRST)
    @pytest.mark.parametrize("name", NOT_HU_AS_A_VOLUME)
    def test_what_a_slice_alone_cannot_tell_is_remarked_on(self, name: str, first: int) -> None:
        for slice_ in NOT_HU_AS_A_VOLUME[name][0](phantom_hu(3, (64, 64), first)):
            assert judged(counted(slice_)).likeness is not Likeness.HU

    @pytest.mark.parametrize("name", NOT_HU)
    def test_whoever_insists_is_told_what_the_values_look_like(self, name: str) -> None:
        change, looks_like = NOT_HU[name]
        (remark,) = checked(of_volume(change(phantom_hu(4))), assume_hu=True)
        assert remark.startswith("taken as HU on the caller's word")
        assert looks_like in remark

    def test_insisting_on_hu_leaves_no_remark(self) -> None:
        assert checked(of_volume(phantom_hu(4)), assume_hu=True) == ()

    @pytest.mark.parametrize("part", ["whole", "middle"])
    @pytest.mark.parametrize("first", FIRST)
    def test_a_window_is_seen_by_every_part_of_a_slice(self, first: int, part: str) -> None:
        volume = np.rint(255 * (phantom_hu(4, (128, 128), first) + 1250.0) / 1500).astype(np.int16)
        volume = volume if part == "whole" else zoomed(volume)
        assert judged(of_volume(volume)).likeness is Likeness.NOT_HU
        assert {judged(counted(slice_)).likeness for slice_ in volume} == {Likeness.NOT_HU}

    @settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
    @given(
        first=st.integers(0, 30),
        side=st.sampled_from([48, 64, 96]),
        slope=st.floats(-4, 4).map(lambda exponent: float(np.exp(exponent))),
        intercept=st.one_of(st.just(0.0), st.floats(-3000, 3000), st.floats(-30000, 30000)),
        padding=st.sampled_from([None, -1000, -1024, -2000, -3024]),
        whole=st.booleans(),
    )
    def test_no_affine_image_that_is_far_from_hu_passes_in_silence(
        self, first: int, side: int, slope: float, intercept: float, padding: float | None, whole: bool
    ) -> None:
        air, tissue = (slope * hu + intercept for hu in (-1000, 40))
        assume(not (0.35 < slope < 3 and -300 < tissue < 1500 and -1900 < air < -250))
        volume = phantom_hu(3, (side, side), first) * slope + intercept
        volume = np.rint(volume) if whole else volume
        volume = volume if padding is None else padded(volume, padding)
        assert checked(of_volume(volume), assume_hu=True) != ()
        for slice_ in volume:
            assert checked(counted(slice_), assume_hu=True) != ()


class TestDoubt:
    """Where one slice cannot tell, it is segmented with a remark."""

    def test_a_crop_without_air(self) -> None:
        crop = np.rint(np.random.default_rng(0).normal(55, 18, (64, 64))).astype(np.int16)
        assert checked(counted(crop))[0].startswith("the values may not be HU: soft tissue without air")

    def test_a_crop_of_fat_and_muscle(self) -> None:
        crop = np.random.default_rng(0).normal(50, 15, (64, 64))
        crop[:20] = np.random.default_rng(1).normal(-100, 15, (20, 64))
        for values in (counted(crop), of_volume([crop, crop])):
            assert judged(values).likeness is Likeness.DOUBTFUL

    @pytest.mark.parametrize("value", [-1024, -1000, -3024])
    def test_a_slice_of_air(self, value: int) -> None:
        (remark,) = checked(counted(np.full((64, 64), value, np.int16)))
        assert remark == f"the values may not be HU: air or padding alone, {value}"

    def test_a_slice_of_noisy_air(self) -> None:
        air = np.random.default_rng(0).normal(-1000, 15, (64, 64))
        assert "air alone" in checked(counted(air))[0]

    def test_a_handful_of_values(self) -> None:
        few = np.arange(3 * 5 * 6).reshape(3, 5, 6) - 40
        assert "of 90 values alone" in checked(of_volume(few))[0]


class TestLungs:
    """A head or an abdomen is remarked on."""

    def test_phantoms_have_lungs(self) -> None:
        for first in FIRST:
            assert lung_remarks(of_volume(phantom_hu(3, (64, 64), first))) == ()
        assert lung_remarks(of_volume([stored_slice(index) - 1024 for index in range(4)])) == ()

    def test_a_head_has_none(self) -> None:
        head = np.random.default_rng(0).normal(-1000, 10, (3, 128, 128))
        y, x = np.mgrid[-64:64, -64:64]
        for radius, value in ((50, 40), (46, 900), (42, 35)):
            head[:, x * x + y * y < radius * radius] = value
        head[:, -20:-12] = -900  # a pillow
        assert judged(of_volume(head)).likeness is Likeness.HU
        assert "no lung-like air" in lung_remarks(of_volume(head))[0]


class TestRealData:
    """No false alarm on real series."""

    def test_ct_slices_through_a_window_pass(self, shared: Path) -> None:
        paths = sorted((shared / "data" / "ct100" / "images").iterdir())
        slices = [WINDOW.hu_from_grey(slice_from_file(path).astype(np.float32)) for path in paths]
        assert len(slices) == 60
        assert [remark for slice_ in slices for remark in checked(counted(slice_))] == []
        assert lung_remarks(of_volume(slices)) == ()

    @pytest.mark.parametrize("name", [name for name in VARIATIONS if name not in ("zoomed", "a child")])
    def test_a_chest_series_passes(self, shared: Path, name: str) -> None:
        study = open_study(shared / "data" / "dicom" / "siemens-chest")
        volume = VARIATIONS[name](study.volume().voxels_hu[::3])
        assert (*checked(of_volume(volume)), *lung_remarks(of_volume(volume))) == ()
        assert [remark for slice_ in volume for remark in checked(counted(slice_))] == []

    def test_its_middle_passes(self, shared: Path) -> None:
        volume = zoomed(open_study(shared / "data" / "dicom" / "siemens-chest").volume().voxels_hu)
        assert checked(of_volume(volume)) == ()
        assert [remark for slice_ in volume for remark in checked(counted(slice_))] == []

    def test_a_head_passes_and_is_said_to_have_no_lungs(self, shared: Path) -> None:
        head = shared / "data" / "dicom" / "gantry-tilt-head"
        slices = [open_study(path).volume().voxels_hu[0] for path in sorted(head.glob("*.dcm"))]
        assert checked(of_volume(slices)) == ()
        assert [remark for slice_ in slices for remark in checked(counted(slice_))] == []
        assert "no lung-like air" in lung_remarks(of_volume(slices))[0]

    def test_every_transfer_syntax_passes(self, shared: Path) -> None:
        passed = 0
        for path in sorted((shared / "data" / "dicom" / "transfer-syntaxes").iterdir()):
            try:
                slice_ = open_study(path).volume().voxels_hu[0]
            except MiniSegError:
                continue  # what cannot be decoded is tests/studies/test_real_dicom.py's
            assert checked(counted(slice_)) == ()
            passed += 1
        assert passed >= 13

    def test_noise_in_the_place_of_a_body_is_doubtful(self, shared: Path) -> None:
        volume = open_study(shared / "data" / "dicom" / "bad-geometry" / "gantrytilting").volume().voxels_hu
        assert judged(of_volume(volume)).likeness is Likeness.DOUBTFUL

    @pytest.mark.parametrize("name", NOT_HU)
    def test_a_chest_series_that_is_not_in_hu_is_refused(self, shared: Path, name: str) -> None:
        volume = open_study(shared / "data" / "dicom" / "siemens-chest").volume().voxels_hu[::3]
        change, looks_like = NOT_HU[name]
        with pytest.raises(HuValuesError) as caught:
            checked(of_volume(change(volume)))
        assert looks_like in caught.value.got
        for slice_ in change(volume):
            assert judged(counted(slice_)).likeness is Likeness.NOT_HU

    @pytest.mark.parametrize("name", sorted(path for path in ("0000.png", "0012.png", "0057.png")))
    def test_a_picture_is_not_in_hu(self, shared: Path, name: str) -> None:
        picture = cv2.imread(str(shared / "data" / "ct100" / "images" / name), cv2.IMREAD_GRAYSCALE)
        assert judged(counted(np.asarray(picture, np.int16))).likeness is Likeness.NOT_HU

    def test_the_field_case(self, shared: Path) -> None:
        cases = shared / "data" / "field-cases" / "not-hu"
        reference, windowed = (
            np.asarray(nibabel.load(cases / name).dataobj).T  # type: ignore[attr-defined]
            for name in ("reference_hu.nii.gz", "windowed_0_255.nii.gz")
        )
        assert checked(of_volume(reference)) == ()
        with pytest.raises(HuValuesError, match=r"0\.\.255: windowed grey values, 42\.\.219"):
            checked(of_volume(windowed))


def test_it_is_an_input_error() -> None:
    assert issubclass(HuValuesError, InputError)
    assert HuValuesError.code == "NOT_HU"
