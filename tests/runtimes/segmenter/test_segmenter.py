import cv2
import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import InputError, UsageError
from miniseg_edge.phantoms import phantom
from tests.runtimes.backends.test_registry import without


def test_another_size_is_resized_in_float_and_its_logits_resized_back(bundle: Bundle) -> None:
    slice_ = phantom(3, size=(150, 100)).image
    with miniseg_edge.load(bundle, "torch") as segmenter:
        small = np.asarray(cv2.resize(slice_.astype(np.float32), (64, 64), interpolation=cv2.INTER_LINEAR), np.float32)
        logit = cv2.resize(segmenter.segment(small).logit, (100, 150), interpolation=cv2.INTER_LINEAR)
        result = segmenter.segment(slice_)
    np.testing.assert_array_equal(result.logit, logit)
    np.testing.assert_array_equal(result.mask, logit > 0)


def test_hu_go_through_the_bundles_window(bundle: Bundle) -> None:
    hu = np.linspace(-2000, 1000, 64 * 64).reshape(64, 64).astype(np.int16)
    grey = (np.clip(hu.astype(np.float32), -1250, 250) + 1250) * np.float32(255 / 1500)
    with miniseg_edge.load(bundle) as segmenter:
        np.testing.assert_allclose(segmenter.segment_hu(hu).logit, segmenter.segment(grey).logit, atol=1e-4)


def test_hu_without_a_window_are_refused(odd_bundle: Bundle) -> None:
    with miniseg_edge.load(odd_bundle) as segmenter, pytest.raises(UsageError, match="--window LOW HIGH"):
        segmenter.segment_hu(np.zeros((64, 64), np.int16))


@pytest.mark.parametrize(
    "bad", [np.full((8, 8), np.nan), np.zeros((8, 8), np.complex64), np.zeros((2, 8, 8), np.int16), [[0]], None]
)
def test_hu_of_a_wrong_kind_are_refused(bundle: Bundle, bad: object) -> None:
    with miniseg_edge.load(bundle) as segmenter, pytest.raises(InputError):
        segmenter.segment_hu(bad)  # type: ignore[arg-type]


def test_an_empty_mask_is_a_valid_result_without_finding(bundle: Bundle) -> None:
    with miniseg_edge.load(bundle) as segmenter:
        result = segmenter.segment(np.zeros((64, 64), np.uint8))
    assert result.has_finding == bool(result.mask.any())
    assert result.warnings == ("constant slice: every pixel is 0",)


def test_a_slice_on_the_wrong_scale_is_remarked_on(bundle: Bundle) -> None:
    with miniseg_edge.load(bundle) as segmenter:
        result = segmenter.segment(np.random.default_rng(0).random((64, 64), np.float32))
    assert "0..1 scale" in result.warnings[0]


def test_a_bundle_may_be_a_path_or_opened_already(bundle_path: object, bundle: Bundle) -> None:
    slice_ = phantom(5, size=(64, 64)).image
    with miniseg_edge.load(str(bundle_path)) as one, miniseg_edge.load(bundle) as other:
        np.testing.assert_array_equal(one.segment(slice_).logit, other.segment(slice_).logit)


def test_a_reduced_bundle_still_serves(bundle: Bundle) -> None:
    with miniseg_edge.load(without(bundle, "native", "openvino")) as segmenter:
        assert segmenter.segment(np.zeros((64, 64), np.uint8)).runtime == "onnxruntime"


def test_representations_are_one_line_without_arrays(bundle: Bundle) -> None:
    with miniseg_edge.load(bundle, "native") as segmenter:
        assert repr(segmenter) == f"<Segmenter of {bundle.name}: native fp32 on cpu>"
        result = segmenter.segment(np.zeros((64, 64), np.uint8))
        volume = segmenter.segment_volume(np.zeros((2, 64, 64), np.uint8))
    assert repr(result).startswith("<64 x 64 mask, 0 lesion pixels, by native fp32 on cpu")
    assert repr(volume).startswith("<2 x 64 x 64 mask, 0 lesion voxels, by native fp32 on cpu")
