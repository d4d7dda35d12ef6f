import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from miniseg_edge.parity.metrics import IGNORED_LABEL, Confusion, dice
from miniseg_edge.slices.preprocessing import ByteArray

FEW = settings(max_examples=50, deadline=None)
SHAPE = (4, 5)
EMPTY = np.zeros(SHAPE, np.uint8)
FULL = np.ones(SHAPE, np.uint8)

masks = arrays(np.uint8, SHAPE, elements=st.integers(0, 1))


def mask(*rows: list[int]) -> ByteArray:
    return np.array(rows, np.uint8)


def expected_mean_iou(predictions: list[ByteArray], labels: list[ByteArray], classes: int) -> float:
    """Class by class over all judged pixels, as a textbook has it."""
    prediction, label = np.concatenate(predictions).ravel(), np.concatenate(labels).ravel()
    prediction, label = prediction[label != IGNORED_LABEL], label[label != IGNORED_LABEL]
    scores = []
    for one in range(classes):
        either = ((prediction == one) | (label == one)).sum()
        if either:
            scores.append(((prediction == one) & (label == one)).sum() / either)
    return float(np.mean(scores)) if scores else 1.0


class TestDice:
    @FEW
    @given(masks, masks)
    def test_it_is_twice_the_overlap_over_the_sum_of_areas(self, one: ByteArray, other: ByteArray) -> None:
        a, b = set(np.flatnonzero(one)), set(np.flatnonzero(other))
        expected = 2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0
        assert dice(one, other) == pytest.approx(expected)

    def test_a_mask_agrees_with_itself(self) -> None:
        assert dice(FULL, FULL) == 1.0

    def test_two_empty_masks_agree(self) -> None:
        assert dice(EMPTY, EMPTY) == 1.0

    @pytest.mark.parametrize(("one", "other"), [(EMPTY, FULL), (FULL, EMPTY)])
    def test_an_empty_mask_and_a_lesion_disagree(self, one: ByteArray, other: ByteArray) -> None:
        assert dice(one, other) == 0.0

    def test_every_class_above_0_is_lesion(self) -> None:
        assert dice(mask([0, 1, 2]), mask([0, 3, 1])) == 1.0

    def test_many_pixels_do_not_overflow(self) -> None:
        assert dice(np.full((600, 600), 255, np.uint8), np.ones((600, 600), np.uint8)) == 1.0


class TestConfusion:
    @FEW
    @given(
        st.integers(2, 5).flatmap(
            lambda classes: st.tuples(
                st.just(classes),
                st.lists(
                    st.tuples(
                        arrays(np.uint8, SHAPE, elements=st.integers(0, classes - 1)),
                        arrays(np.uint8, SHAPE, elements=st.integers(0, classes - 1) | st.just(IGNORED_LABEL)),
                    ),
                    min_size=1,
                    max_size=3,
                ),
            )
        )
    )
    def test_mean_iou_is_the_textbooks_over_all_slices(
        self, drawn: tuple[int, list[tuple[ByteArray, ByteArray]]]
    ) -> None:
        classes, slices = drawn
        counted = Confusion.empty(classes)
        for prediction, label in slices:
            counted = counted.plus(prediction, label)
        predictions, labels = ([pair[i] for pair in slices] for i in (0, 1))
        assert counted.mean_iou() == pytest.approx(expected_mean_iou(predictions, labels, classes))

    def test_rows_are_labels_and_columns_predictions(self) -> None:
        counted = Confusion.empty(2).plus(prediction=mask([1, 1, 1, 0]), label=mask([0, 0, 1, 1]))
        assert counted.counts.tolist() == [[0, 2], [1, 1]]

    def test_ignored_pixels_are_not_counted(self) -> None:
        counted = Confusion.empty(3).plus(mask([0, 1, 2]), mask([IGNORED_LABEL, 1, IGNORED_LABEL]))
        assert counted.counts.sum() == 1

    def test_a_slice_that_nobody_judged_changes_nothing(self) -> None:
        counted = Confusion.empty(3).plus(FULL, np.full(SHAPE, IGNORED_LABEL, np.uint8))
        assert counted.counts.tolist() == Confusion.empty(3).counts.tolist()

    def test_adding_a_slice_leaves_the_old_counts(self) -> None:
        before = Confusion.empty(2)
        before.plus(FULL, FULL)
        assert not before.counts.any()

    def test_nothing_counted_is_no_disagreement(self) -> None:
        assert Confusion.empty(2).mean_iou() == 1.0

    def test_a_class_that_never_occurs_is_left_out(self) -> None:
        assert Confusion.empty(5).plus(FULL, FULL).mean_iou() == 1.0

    def test_a_class_that_is_only_predicted_counts_as_missed(self) -> None:
        assert Confusion.empty(3).plus(mask([0, 2]), mask([0, 0])).mean_iou() == pytest.approx((0.5 + 0.0) / 2)

    def test_pixels_weigh_the_same_whatever_their_slice(self) -> None:
        counted = Confusion.empty(2).plus(mask([1] * 99), mask([1] * 99)).plus(mask([1]), mask([0]))
        assert counted.mean_iou() == pytest.approx((0.99 + 0.0) / 2)


class TestKappa:
    LABEL = mask([0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0])

    def kappa(self, prediction: ByteArray, label: ByteArray = LABEL, classes: int = 2) -> float | None:
        return Confusion.empty(classes).plus(prediction, label).kappa()

    def test_of_the_label_itself_is_one(self) -> None:
        assert self.kappa(self.LABEL) == 1.0

    @pytest.mark.parametrize("blind", [EMPTY, FULL])
    def test_of_a_blind_mask_is_zero(self, blind: ByteArray) -> None:
        assert self.kappa(blind) == pytest.approx(0.0)

    def test_of_chance_is_about_zero(self) -> None:
        chance = np.random.default_rng(5)
        label, prediction = ((chance.random((400, 400)) < share).astype(np.uint8) for share in (0.1, 0.4))
        assert self.kappa(prediction, label) == pytest.approx(0.0, abs=0.02)

    def test_is_cohens(self) -> None:
        """A worked example: 45 and 15 agree, 25 and 15 do not: o = 0.6, e = 0.54."""
        confusion = Confusion(np.array([[45, 15], [25, 15]], np.int64))
        assert confusion.kappa() == pytest.approx((0.6 - 0.54) / (1 - 0.54))

    def test_any_lesion_counts(self) -> None:
        assert self.kappa(self.LABEL * 2, self.LABEL, 3) == 1.0

    @pytest.mark.parametrize("label", [EMPTY, FULL])
    def test_is_unknown_where_the_label_is_of_one_kind(self, label: ByteArray) -> None:
        assert self.kappa(self.LABEL, label) is None
