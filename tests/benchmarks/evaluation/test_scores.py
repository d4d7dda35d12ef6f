import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import directed_hausdorff

from miniseg_edge.benchmarks.evaluation.distances import hausdorff, hausdorff_95
from miniseg_edge.benchmarks.evaluation.scores import Corrected, Published, corrected, mean_of, published
from miniseg_edge.parity.metrics import Confusion, dice
from miniseg_edge.slices.preprocessing import ByteArray

MASKS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12), elements=st.integers(0, 1)
)
EMPTY, FULL = np.zeros((4, 5), np.uint8), np.ones((4, 5), np.uint8)


@given(mask=MASKS, data=st.data())
def test_the_distance_is_the_one_between_point_sets(mask: ByteArray, data: st.DataObject) -> None:
    label = data.draw(hnp.arrays(np.uint8, mask.shape, elements=st.integers(0, 1)))
    assume(mask.any() and label.any())
    a, b = np.argwhere(mask), np.argwhere(label)
    expected = max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0])
    assert hausdorff(mask > 0, label > 0) == pytest.approx(expected)
    assert hausdorff_95(mask > 0, mask > 0) == 0


@given(mask=MASKS, data=st.data())
def test_scores_are_counts_of_pixels(mask: ByteArray, data: st.DataObject) -> None:
    label = data.draw(hnp.arrays(np.uint8, mask.shape, elements=st.sampled_from([0, 1, 255])))
    judged = label != 255
    assume(judged.any())
    found = corrected(mask, label)
    truth, drawn = label[judged] == 1, mask[judged] == 1
    assert found.dice == dice(drawn.astype(np.uint8), truth.astype(np.uint8))
    assert (found.sensitivity is None) == (not truth.any())
    if truth.any():
        assert found.sensitivity == pytest.approx((truth & drawn).sum() / truth.sum())
    if not truth.all():
        assert found.specificity == pytest.approx((~truth & ~drawn).sum() / (~truth).sum())
    if drawn.any() and truth.any():
        old = published(mask, label)
        assert (old.dice, old.sensitivity) == pytest.approx((found.dice, found.sensitivity))
        assert old.hausdorff_px == found.hausdorff


def test_an_empty_prediction() -> None:
    label = EMPTY.copy()
    label[1, 2] = 1
    assert published(EMPTY, label) == Published(0, 0, 0, 0)  # a perfect distance, for nothing
    assert corrected(EMPTY, label) == Corrected(0, 1, 0, None, None)
    assert published(EMPTY, EMPTY) == Published(0, 0, 0, 0)
    assert corrected(EMPTY, EMPTY) == Corrected(None, 1, 1, 0, 0)


def test_nothing_or_everything_labelled() -> None:
    assert corrected(FULL, EMPTY) == Corrected(None, 0, 0, None, None)
    assert corrected(FULL, FULL) == Corrected(1, None, 1, 0, 0)


def test_a_volume_is_measured_in_mm() -> None:
    mask, label = np.zeros((5, 8, 8), np.uint8), np.zeros((5, 8, 8), np.uint8)
    mask[1, 2, 3] = label[3, 2, 5] = 1
    found = corrected(mask, label, (2.5, 0.8, 0.7))
    assert found.hausdorff == pytest.approx(math.hypot(2 * 2.5, 2 * 0.7))


def test_means_leave_out_what_is_undefined() -> None:
    assert mean_of([1.0, None, 0.5]) == (0.75, 1)
    assert mean_of([None]) == (None, 1)


def test_iou_of_each_class() -> None:
    label, mask = np.array([[0, 1, 1, 255]], np.uint8), np.array([[0, 1, 0, 1]], np.uint8)
    confusion = Confusion.empty(3).plus(mask, label)
    assert confusion.class_iou() == (0.5, 0.5, None)
    assert confusion.mean_iou() == 0.5


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
def test_monai_agrees() -> None:
    metrics = pytest.importorskip("monai.metrics", reason="needs MONAI, of the extra compare")
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    for _ in range(20):
        masks = [np.kron(generator.random((6, 6)) > 0.6, np.ones((5, 5), bool)) for _ in range(2)]
        one, other = (torch.from_numpy(mask[None, None].astype(np.float32)) for mask in masks)
        monai = metrics.compute_hausdorff_distance(one, other, include_background=True, percentile=95)
        assert hausdorff_95(masks[0], masks[1]) == pytest.approx(float(monai), abs=1e-5)
        dices = metrics.compute_dice(one, other)
        assert corrected(masks[0].astype(np.uint8), masks[1].astype(np.uint8)).dice == pytest.approx(float(dices))
