import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from miniseg_edge.errors import InputError, StatisticsError, UsageError
from miniseg_edge.slices.preprocessing import (
    MAX_SLICE_PIXELS,
    FloatArray,
    Statistics,
    Window,
    check_pixel_budget,
    checked_slice,
    mask_from_logits,
    network_input,
    resized,
)

FEW = settings(max_examples=50, deadline=None)
NAN, INFINITY = float("nan"), float("inf")


def check_refused(slice_: object, match: str) -> None:
    with pytest.raises(InputError, match=match):
        checked_slice(slice_)


class TestStatistics:
    @pytest.mark.parametrize(("mean", "std"), [(0.0, 1e-6), (0.55, 0.29), (1.0, 1.0)])
    def test_what_slices_can_have_is_accepted(self, mean: float, std: float) -> None:
        assert Statistics(mean, std) == Statistics(mean, std)

    @pytest.mark.parametrize(
        ("mean", "std"),
        [(-0.01, 0.3), (1.01, 0.3), (0.5, 0.0), (0.5, -0.3), (0.5, 1.01), (NAN, 0.3), (0.5, NAN), (INFINITY, 0.3)],
    )
    def test_what_slices_cannot_have_is_refused(self, mean: float, std: float) -> None:
        with pytest.raises(StatisticsError, match="statistics are out of range"):
            Statistics(mean, std)

    def test_statistics_on_the_8_bit_scale_are_refused_with_a_remedy(self) -> None:
        with pytest.raises(StatisticsError, match=r"got mean 140\.25, std 73\.95\. Divide statistics .* by 255"):
            Statistics(140.25, 73.95)


class TestWindow:
    @pytest.mark.parametrize(
        ("low", "high"), [(250.0, -1250.0), (0.0, 0.0), (NAN, 0.0), (0.0, NAN), (-INFINITY, 0.0), (0.0, INFINITY)]
    )
    def test_an_empty_or_endless_window_is_refused(self, low: float, high: float) -> None:
        with pytest.raises(UsageError, match="expected LOW < HIGH in HU"):
            Window(low, high)

    def test_its_ends_are_black_and_white_and_all_beyond_is_clipped(self) -> None:
        hu = np.array([-3000, -1000, -500, 0, 3000], np.int16)
        assert Window(-1000.0, 0.0).grey_from_hu(hu).tolist() == [0.0, 0.0, 127.5, 255.0, 255.0]

    @pytest.mark.parametrize("dtype", ["i1", "i2", "<u2", ">i2", "i4", "i8", "f2", "f4", "f8"])
    def test_any_real_dtype_gives_the_same_grey(self, dtype: str) -> None:
        hu = np.array([[0, 25], [50, 100]], dtype)
        found = Window(0.0, 100.0).grey_from_hu(hu)
        assert found.dtype == np.float32
        assert found == pytest.approx(np.array([[0, 63.75], [127.5, 255]]))

    def test_the_largest_int16_do_not_wrap_around(self) -> None:
        hu = np.array([-32768, 32767], np.int16)
        assert Window(-1250.0, 250.0).grey_from_hu(hu).tolist() == [0.0, 255.0]

    @FEW
    @given(st.integers(-2000, 2000), st.integers(1, 4000), arrays(np.int16, 20))
    def test_grey_rises_with_hu_from_0_to_255(self, low: int, width: int, hu: npt.NDArray[np.int16]) -> None:
        grey = Window(float(low), float(low + width)).grey_from_hu(np.sort(hu))
        assert grey.min() >= 0.0
        assert grey.max() <= 255.0
        assert (np.diff(grey) >= 0).all()

    def test_the_hu_stay_as_they_were(self) -> None:
        hu = np.array([-3000.0, 0.0], np.float32)
        Window(-1000.0, 0.0).grey_from_hu(hu)
        assert hu.tolist() == [-3000.0, 0.0]


class TestCheckedSlice:
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_both_dtypes_keep_their_values(self, dtype: npt.DTypeLike) -> None:
        slice_ = np.array([[0, 17], [254, 255]], dtype)
        grey, remarks = checked_slice(slice_)
        assert grey.dtype == np.float32
        assert np.array_equal(grey, slice_)
        assert remarks == ()

    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_the_result_is_a_copy(self, dtype: npt.DTypeLike) -> None:
        slice_ = np.array([[0, 17], [254, 255]], dtype)
        assert not np.shares_memory(checked_slice(slice_)[0], slice_)

    def test_any_memory_layout_serves(self) -> None:
        slice_ = np.arange(24, dtype=np.uint8).reshape(4, 6)[::-1, ::2]
        assert np.array_equal(checked_slice(slice_)[0], slice_)

    @pytest.mark.parametrize("slice_", [None, [[1, 2]], "slice.png", b"bytes", 7, ((1.0,),)])
    def test_another_type_is_refused(self, slice_: object) -> None:
        check_refused(slice_, rf"expected a NumPy array \(H, W\), got {type(slice_).__name__}")

    @pytest.mark.parametrize(
        "dtype", ["int8", "int16", "uint16", "int64", "float16", "float64", "bool", "complex64", "O"]
    )
    def test_another_dtype_is_refused(self, dtype: str) -> None:
        check_refused(np.ones((4, 4), dtype), f"wrong dtype; .* got {np.dtype(dtype)}. Convert it, or pass HU to")

    @pytest.mark.parametrize("shape", [(), (4,), (4, 4, 1), (1, 4, 4), (4, 4, 3), (1, 1, 4, 4), (0, 4), (4, 0), (0, 0)])
    def test_another_shape_is_refused(self, shape: tuple[int, ...]) -> None:
        check_refused(np.zeros(shape, np.uint8), "wrong shape")

    @pytest.mark.parametrize(
        ("value", "match"), [(-0.5, r"got -0\.5\.\.9"), (255.5, r"got 9\.\.255\.5"), (-1024, "segment_hu")]
    )
    def test_another_range_is_refused(self, value: float, match: str) -> None:
        check_refused(np.array([[9.0, value]], np.float32), match)

    @pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
    @pytest.mark.parametrize("position", [0, 7, 15])
    def test_one_pixel_that_is_not_finite_is_refused(self, value: float, position: int) -> None:
        slice_ = np.full(16, 100.0, np.float32)
        slice_[position] = value
        check_refused(slice_.reshape(4, 4), "is not finite")

    def test_a_slice_over_the_budget_is_refused_before_it_is_copied(self) -> None:
        check_refused(np.broadcast_to(np.uint8(0), (2**20, 2**20)), f"at most {MAX_SLICE_PIXELS} pixels")

    def test_the_budget_itself_is_allowed(self) -> None:
        check_pixel_budget(8192, 8192)

    def test_one_row_more_than_the_budget_is_refused(self) -> None:
        with pytest.raises(InputError, match="got 8193 x 8192"):
            check_pixel_budget(8193, 8192)

    @pytest.mark.parametrize(
        "slice_", [np.full((4, 4), 7, np.uint8), np.full((4, 4), 7, np.float32), np.full((1, 1), 7, np.uint8)]
    )
    def test_a_constant_slice_is_remarked_upon(self, slice_: npt.NDArray[np.generic]) -> None:
        assert checked_slice(slice_)[1] == ("constant slice: every pixel is 7",)

    def test_a_slice_that_seems_to_be_on_the_0_to_1_scale_is_remarked_upon(self) -> None:
        (remark,) = checked_slice(np.array([[0.0, 0.5, 1.0]], np.float32))[1]
        assert "0..1 scale" in remark

    def test_bytes_of_0_and_1_are_dark_and_no_scale(self) -> None:
        assert checked_slice(np.array([[0, 1]], np.uint8))[1] == ()


class TestResized:
    @FEW
    @given(
        arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.floats(0, 255, width=32)),
        st.integers(1, 20),
        st.integers(1, 20),
    )
    def test_it_is_opencvs_bilinear(self, image: FloatArray, height: int, width: int) -> None:
        expected = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        assert np.array_equal(resized(image, (height, width)), expected)

    def test_an_image_of_that_size_is_returned_itself(self) -> None:
        image = np.zeros((4, 5), np.float32)
        assert resized(image, (4, 5)) is image

    def test_the_network_gets_one_contiguous_image_with_one_channel(self) -> None:
        found = network_input(np.zeros((4, 5), np.float32), (8, 6))
        assert found.shape == (1, 1, 8, 6)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous

    def test_the_network_gets_grey_values_as_they_are(self) -> None:
        grey = np.arange(20, dtype=np.float32).reshape(4, 5)
        assert np.array_equal(network_input(grey, (4, 5))[0, 0], grey)

    @FEW
    @given(
        arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=20)),
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.floats(0, 1),
        st.floats(0.1, 1),
    )
    def test_normalising_before_or_after_makes_no_difference(
        self, image: npt.NDArray[np.uint8], size: tuple[int, int], mean: float, std: float
    ) -> None:
        grey = image.astype(np.float32)
        published = resized(((grey / 255 - mean) / std).astype(np.float32), size)
        ours = (resized(grey, size) / 255 - mean) / std
        assert np.abs(published - ours).max() <= 1e-5


class TestMask:
    @FEW
    @given(
        st.integers(2, 5).flatmap(
            lambda classes: arrays(
                np.float32,
                (classes - 1, 4, 5),
                elements=st.sampled_from([-1.0, -0.0, 0.0, 1.0]) | st.floats(-9, 9, width=32),
            )
        )
    )
    def test_it_is_the_argmax_over_all_classes(self, logits: FloatArray) -> None:
        with_background = np.concatenate([np.zeros_like(logits[:1]), logits])
        found = mask_from_logits(logits)
        assert found.dtype == np.uint8
        assert np.array_equal(found, with_background.argmax(axis=0))

    def test_a_tie_with_background_is_background(self) -> None:
        assert mask_from_logits(np.zeros((1, 1, 1), np.float32)).tolist() == [[0]]

    def test_a_tie_between_lesions_is_the_lower_class(self) -> None:
        assert mask_from_logits(np.ones((3, 1, 1), np.float32)).tolist() == [[1]]

    def test_the_smallest_margin_counts(self) -> None:
        assert mask_from_logits(np.full((1, 1, 1), 1e-45, np.float32)).tolist() == [[1]]
