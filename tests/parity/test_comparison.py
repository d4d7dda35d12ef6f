from dataclasses import replace

import numpy as np
import pytest

from miniseg_edge.bundle.parity_summary import show, summary
from miniseg_edge.parity.comparison import DEFAULT_LIMITS, ParityLimits, SliceParity, TargetParity, compare, failures
from miniseg_edge.slices.preprocessing import FloatArray

LIMITS = ParityLimits(near_tie=1e-3)
SAME_LARGE = SliceParity("large", 10_000, 500, 0.0, 0, 0, 1.0)
SAME = SliceParity("same", 100, 10, 0.0, 0, 0, 1.0)
NAN = float("nan")


def lesion(*logits: float) -> FloatArray:
    """A row of pixels with two classes."""
    return np.array([[logits]], np.float32)


def classes(*pixels: tuple[float, ...]) -> FloatArray:
    """A row of pixels with more classes, each a tuple of its logits over background."""
    return np.array(pixels, np.float32).T[:, None]


def flips(reference: FloatArray, artifact: FloatArray, limits: ParityLimits = LIMITS) -> tuple[int, int]:
    found = compare("slice", reference, artifact, limits)
    return found.near_ties, found.real_flips


def target(*slices: SliceParity, failed: tuple[str, ...] = (), mean_iou: float | None = None) -> TargetParity:
    return TargetParity("onnx", "fp32", "onnxruntime", LIMITS, failed, mean_iou, mean_iou, slices)


class TestTwoClasses:
    def test_equal_maps_agree(self) -> None:
        maps = lesion(-3.0, 0.5, 2.0)
        assert compare("slice", maps, maps, LIMITS) == SliceParity("slice", 3, 2, 0.0, 0, 0, 1.0)

    def test_a_pixel_that_the_reference_hardly_decided_is_a_near_tie(self) -> None:
        assert flips(lesion(0.0005), lesion(-0.2)) == (1, 0)
        assert flips(lesion(-0.0005), lesion(0.2)) == (1, 0)

    def test_a_pixel_that_the_reference_decided_is_a_real_flip(self) -> None:
        assert flips(lesion(0.002), lesion(-0.0001)) == (0, 1)
        assert flips(lesion(-0.002), lesion(0.0001)) == (0, 1)

    def test_the_reference_exactly_at_zero_is_a_near_tie(self) -> None:
        assert flips(lesion(0.0), lesion(0.2)) == (1, 0)

    def test_a_margin_of_exactly_the_limit_is_a_real_flip(self) -> None:
        assert flips(lesion(0.25), lesion(-1.0), ParityLimits(near_tie=0.25)) == (0, 1)

    def test_without_a_limit_every_flip_is_real(self) -> None:
        assert flips(lesion(0.0005), lesion(-0.0005), ParityLimits(near_tie=0.0)) == (0, 1)

    def test_a_difference_that_changes_no_class_is_no_flip(self) -> None:
        assert flips(lesion(0.0005, -4.0), lesion(7.0, -0.0001)) == (0, 0)

    def test_kinds_are_counted_apart(self) -> None:
        assert flips(lesion(0.0005, 5.0, -5.0, -0.0001), lesion(-1.0, -1.0, 1.0, -1.0)) == (1, 2)

    def test_the_largest_difference_counts_whatever_its_sign(self) -> None:
        found = compare("slice", lesion(1.0, 2.0), lesion(0.5, 5.0), LIMITS)
        assert found.max_logit_difference == 3.0

    def test_dice_is_that_of_the_two_masks(self) -> None:
        found = compare("slice", lesion(1.0, 1.0, -1.0), lesion(1.0, -1.0, 1.0), LIMITS)
        assert found.dice == 0.5

    def test_two_empty_masks_agree(self) -> None:
        found = compare("slice", lesion(-1.0), lesion(-2.0), LIMITS)
        assert (found.lesion_pixels, found.dice) == (0, 1.0)


class TestMoreClasses:
    def test_the_margin_is_that_between_the_two_classes_in_question(self) -> None:
        assert flips(classes((5.0, 4.9995)), classes((5.0, 5.1))) == (1, 0)
        assert flips(classes((5.0, 4.0)), classes((5.0, 5.1))) == (0, 1)

    def test_a_near_tie_of_two_lesions_does_not_excuse_a_turn_to_background(self) -> None:
        assert flips(classes((5.0, 4.9995)), classes((-1.0, -1.0))) == (0, 1)

    def test_a_near_tie_with_background_does_not_excuse_another_lesion(self) -> None:
        assert flips(classes((0.0005, -3.0)), classes((0.0005, 3.0))) == (0, 1)

    def test_a_turn_from_background_is_judged_by_the_class_it_turned_to(self) -> None:
        assert flips(classes((-0.0005, -3.0)), classes((1.0, -3.0))) == (1, 0)
        assert flips(classes((-0.0005, -3.0)), classes((-1.0, 3.0))) == (0, 1)

    def test_another_lesion_is_a_flip_though_dice_sees_none(self) -> None:
        found = compare("slice", classes((5.0, 1.0)), classes((1.0, 5.0)), LIMITS)
        assert (found.real_flips, found.dice) == (1, 1.0)


class TestFailures:
    def test_a_slice_within_all_limits_passes(self) -> None:
        limits = ParityLimits(1e-3, 0, 0.5, 1.0, 1.0)
        assert failures([SAME, SAME], limits) == ()

    def test_near_ties_are_allowed(self) -> None:
        assert failures([replace(SAME, near_ties=50)], LIMITS) == ()

    def test_real_flips_are_added_up_over_all_slices(self) -> None:
        slices = [replace(SAME, real_flips=2), replace(SAME, real_flips=3)]
        assert failures(slices, ParityLimits(max_real_flips=5)) == ()
        assert failures(slices, ParityLimits(max_real_flips=4)) == ("5 pixels flipped, 4 allowed",)

    def test_the_largest_difference_of_any_slice_counts(self) -> None:
        slices = [SAME, replace(SAME, max_logit_difference=0.5), SAME]
        assert failures(slices, ParityLimits(max_logit_difference=0.5)) == ()
        assert failures(slices, ParityLimits(max_logit_difference=0.25)) == (
            "largest logit difference 0.5, 0.25 allowed",
        )

    def test_without_a_limit_any_finite_difference_is_allowed(self) -> None:
        assert failures([replace(SAME, max_logit_difference=1e6)], LIMITS) == ()

    def test_the_mean_dice_counts(self) -> None:
        slices = [SAME, replace(SAME, dice=0.5)]
        assert failures(slices, ParityLimits(min_dice_mean=0.75)) == ()
        assert failures(slices, ParityLimits(min_dice_mean=0.8)) == ("mean Dice 0.7500, at least 0.8 wanted",)

    def test_the_worst_dice_counts(self) -> None:
        slices = [SAME, replace(SAME, dice=0.5)]
        assert failures(slices, ParityLimits(min_dice_worst=0.5)) == ()
        assert failures(slices, ParityLimits(min_dice_worst=0.6)) == ("worst Dice 0.5000 (same), at least 0.6 wanted",)

    def test_every_limit_that_was_not_kept_is_named(self) -> None:
        worst = SliceParity("bad", 100, 10, 9.0, 0, 7, 0.0)
        assert len(failures([worst], ParityLimits(1e-3, 0, 1.0, 0.9, 0.9))) == 4

    @pytest.mark.parametrize("limits", [ParityLimits(), ParityLimits(max_logit_difference=1.0)])
    @pytest.mark.parametrize("order", [1, -1])
    def test_an_artefact_that_is_not_finite_never_passes(self, limits: ParityLimits, order: int) -> None:
        broken = compare("slice", lesion(-1.0, -2.0), lesion(NAN, -2.0), limits)
        assert failures([SAME, broken][::order], limits) != ()

    def test_a_tiny_lesion_is_judged_by_changed_pixels(self) -> None:
        limits = ParityLimits(
            max_real_flips=None, min_dice_mean=0.98, min_dice_worst=0.95, tiny_lesion=20, max_tiny_changes=4
        )
        tiny = SliceParity("tiny", 10_000, 10, 0.1, 1, 3, 0.7)
        assert failures([SAME_LARGE, tiny], limits) == ()
        assert failures([SAME_LARGE, replace(tiny, real_flips=4)], limits) == (
            "5 pixels changed on tiny, whose lesion has 10; 4 allowed where it has fewer than 20",
        )
        assert failures([SAME_LARGE, replace(tiny, lesion_pixels=20)], limits) == (
            "mean Dice 0.8500, at least 0.98 wanted",
            "worst Dice 0.7000 (tiny), at least 0.95 wanted",
        )

    def test_a_lesion_invented_on_a_healthy_slice_fails(self) -> None:
        invented = SliceParity("healthy", 10_000, 0, 2.0, 0, 300, 0.0)
        assert len(failures([SAME_LARGE, invented], DEFAULT_LIMITS["int8"])) == 1

    @pytest.mark.parametrize(("found", "count"), [(0.8, 0), (0.797, 0), (0.7969, 1)])
    def test_the_labels_count_where_there_are_any(self, found: float, count: int) -> None:
        assert len(failures([SAME_LARGE], DEFAULT_LIMITS["int8"], found, 0.8)) == count
        assert failures([SAME_LARGE], DEFAULT_LIMITS["int8"]) == ()
        assert failures([SAME_LARGE], DEFAULT_LIMITS["bf16"], found, 0.8) == ()


class TestTarget:
    def test_without_failures_it_passed(self) -> None:
        assert target(SAME).passed
        assert not target(SAME, failed=("5 pixels flipped, 0 allowed",)).passed

    def test_its_figures_are_those_of_all_slices(self) -> None:
        found = target(SliceParity("a", 9, 1, 0.5, 1, 2, 1.0), SliceParity("b", 9, 1, 0.25, 10, 20, 0.5))
        assert (found.max_logit_difference, found.near_ties, found.real_flips) == (0.5, 11, 22)
        assert (found.dice_mean, found.dice_worst) == (0.75, 0.5)

    def test_the_manifests_line_says_the_same(self) -> None:
        parity = target(SliceParity("a", 9, 1, 0.5, 1, 2, 0.75), failed=("too large",))
        line = summary(parity)
        assert (line.target, line.precision, line.passed, line.slices, line.limits) == (
            "onnx",
            "fp32",
            False,
            1,
            LIMITS,
        )
        assert (line.max_logit_difference, line.near_ties, line.real_flips) == (0.5, 1, 2)
        assert (line.dice_mean, line.dice_worst) == (0.75, 0.75)


class TestTable:
    def test_it_says_which_artefact_passed(self, capsys: pytest.CaptureFixture[str]) -> None:
        show("Parity", [target(SAME), replace(target(SAME, failed=("no",)), target="openvino")])
        lines = capsys.readouterr().out.splitlines()
        assert ["passed" in line for line in lines if "onnx fp32" in line] == [True]
        assert ["FAILED" in line for line in lines if "openvino fp32" in line] == [True]

    def test_accuracy_is_shown_only_where_there_are_labels(self, capsys: pytest.CaptureFixture[str]) -> None:
        show("Parity", [target(SAME)])
        assert "mIoU" not in capsys.readouterr().out
        show("Parity", [target(SAME, mean_iou=0.8125), target(SAME)])
        shown = capsys.readouterr().out
        assert "mIoU" in shown
        assert shown.count("0.8125") == 2
