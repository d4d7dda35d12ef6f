import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.architecture import Architecture
from miniseg_edge.errors import InputError, NumericError, StatisticsError, UsageError
from miniseg_edge.phantoms import phantoms
from miniseg_edge.preprocessing import ByteArray, Statistics
from miniseg_edge.training.augmentation import augmented, resized_label
from miniseg_edge.training.losses import class_weights, segmentation_loss
from miniseg_edge.training.network import MiniSeg
from miniseg_edge.training.recipe import Epoch, Pass, Recipe, normalised, train, training_statistics

TINY = Recipe(size=64, passes=(Pass(0.75, 4), Pass(1.0, 4)), epochs=3, batch_size=2, learning_rate=1e-2)
PHANTOMS = phantoms(5, size=(64, 64))
SLICES = [one.image for one in PHANTOMS]
LABELS = [one.mask for one in PHANTOMS]
STATISTICS = training_statistics(SLICES)


def small_network(in_channels: int = 3, *, auxiliary: bool = True) -> MiniSeg:
    torch.manual_seed(0)
    return MiniSeg(Architecture((8, 8, 8, 8), in_channels=in_channels), auxiliary=auxiliary)


def trained(
    network: MiniSeg, recipe: Recipe = TINY, labels: Sequence[ByteArray] = LABELS, seed: int = 0
) -> tuple[Epoch, ...]:
    return train(network, SLICES, labels, STATISTICS, recipe, seed=seed)


class TestFigures:
    def test_the_default_is_the_published_recipe(self) -> None:
        recipe = Recipe()
        assert [(recipe.side_px(one), one.max_crop_px) for one in recipe.passes] == [
            (768, 50),
            (640, 50),
            (384, 16),
            (512, 16),
        ]
        assert recipe.iterations(49) == 80 * 4 * 9  # the last, partial batch is dropped

    def test_the_rate_decays_to_the_power_of_nine_tenths(self) -> None:
        rates = [Recipe().learning_rate_at(iteration, 100) for iteration in range(100)]
        assert rates[0] == 1e-3
        assert rates[50] == pytest.approx(1e-3 * 0.5**0.9)
        assert all(later < earlier for earlier, later in pairwise(rates))
        assert rates[-1] > 0

    @pytest.mark.parametrize("figures", [{"epochs": 0}, {"batch_size": 0}, {"passes": ()}])
    def test_a_recipe_that_trains_nothing_is_refused(self, figures: dict[str, int]) -> None:
        with pytest.raises(UsageError):
            Recipe(**figures)  # type: ignore[arg-type]

    @pytest.mark.parametrize("crop", [-1, 32])
    def test_a_crop_that_leaves_nothing_is_refused(self, crop: int) -> None:
        with pytest.raises(UsageError):
            Recipe(size=64, passes=(Pass(1.0, crop),))


class TestStatistics:
    def test_means_and_deviations_are_averaged_over_slices(self) -> None:
        slices = [np.array([[0, 255]], np.uint8), np.array([[51, 51], [51, 51]], np.uint8)]
        found = training_statistics(slices)
        assert (found.mean, found.std) == pytest.approx(((0.5 + 0.2) / 2, 0.5 / 2))

    def test_nothing_to_learn_from_is_refused(self) -> None:
        with pytest.raises(InputError):
            training_statistics([])
        with pytest.raises(StatisticsError):
            training_statistics([np.full((4, 4), 9, np.uint8)])

    def test_normalised(self) -> None:
        image = normalised(np.array([[0, 255]], np.uint8), Statistics(0.25, 0.5))
        assert image.dtype == np.float32
        assert image.tolist() == [[-0.5, 1.5]]


class TestLoss:
    def test_weights_of_the_published_training_set(self) -> None:
        # Fold 1 of CT100 has 7.36 % lesion and was trained with these weights.
        label = np.zeros((100, 100), np.uint8)
        label.flat[:736] = 1
        assert class_weights([label], 2).tolist() == pytest.approx([1.415911, 6.246919], rel=1e-3)

    @given(counts=st.lists(st.integers(0, 300), min_size=2, max_size=5).filter(any), ignored=st.integers(0, 50))
    def test_rare_classes_weigh_more(self, counts: list[int], ignored: int) -> None:
        values = np.repeat([*range(len(counts)), 255], [*counts, ignored])
        weights = class_weights([values.astype(np.uint8)[None]], len(counts))
        shares = np.exp(1 / weights.double().numpy()) - 1.10
        assert shares == pytest.approx(np.array(counts) / sum(counts), abs=1e-5)

    def test_unusable_labels_are_refused(self) -> None:
        with pytest.raises(InputError, match="no class"):
            class_weights([np.full((2, 2), 2, np.uint8)], 2)
        with pytest.raises(InputError, match="nothing"):
            class_weights([np.full((2, 2), 255, np.uint8)], 2)

    def test_heads_and_classes_are_weighted(self) -> None:
        label = torch.tensor([[[0, 1, 255]]])
        weights = torch.tensor([1.0, 3.0])
        logits = torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0, 9.0]).reshape(1, 2, 1, 3)
        main = (1 * math.log(1 + math.exp(1.0)) + 3 * math.log(1 + math.exp(-2.0))) / 4
        flat = math.log(2.0)  # of a head that has no opinion
        heads = (logits, *[torch.zeros(1, 2, 1, 3)] * 3)
        assert float(segmentation_loss(heads, label, weights, 0.4)) == pytest.approx(main + 3 * 0.4 * flat)
        assert float(segmentation_loss(heads[:1], label, weights, 0.4)) == pytest.approx(main)


class TestAugmentation:
    @settings(deadline=None)
    @given(
        height=st.integers(20, 60),
        width=st.integers(20, 60),
        crop=st.integers(0, 9),
        seed=st.integers(0, 2**32),
    )
    def test_slice_and_label_stay_together(self, height: int, width: int, crop: int, seed: int) -> None:
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        image = rows / height + columns / width - 1
        label = np.where(image > 0, 2, 255).astype(np.uint8)
        image2, label2 = augmented(image, label, crop, np.random.default_rng(seed))
        assert (image2.shape, label2.shape) == (image.shape, label.shape)
        assert image2.dtype == np.float32
        assert label2.dtype == np.uint8
        assert set(np.unique(label2)) <= {2, 255}
        unclear = np.abs(image2) < 1.5 / height + 1.5 / width
        assert np.array_equal(label2[~unclear] == 2, image2[~unclear] > 0)

    def test_half_of_the_slices_are_flipped_and_half_cropped(self) -> None:
        image = np.arange(400, dtype=np.float32).reshape(20, 20)
        generator = np.random.default_rng(0)
        results = [augmented(image, np.zeros((20, 20), np.uint8), 5, generator)[0] for _ in range(400)]
        flipped = sum(float(one[0, 0]) > float(one[-1, 0]) for one in results)
        whole = sum(np.array_equal(one, image) or np.array_equal(one, image[::-1]) for one in results)
        assert 160 < flipped < 240
        assert 160 < whole < 240

    def test_no_label_is_invented(self) -> None:
        label = np.array([[0, 255], [2, 1]], np.uint8)
        assert set(np.unique(resized_label(label, (7, 5)))) == {0, 1, 2, 255}


class TestTraining:
    def test_it_learns_and_repeats_itself_bit_for_bit(self) -> None:
        first, second = small_network(), small_network()
        before = torch.get_rng_state()
        epochs = trained(first)
        assert torch.equal(torch.get_rng_state(), before)
        assert epochs[-1].loss < 0.9 * epochs[0].loss
        assert not first.training
        assert trained(second) == epochs
        states = zip(first.state_dict().items(), second.state_dict().values(), strict=True)
        assert [name for (name, one), two in states if not torch.equal(one, two)] == []

    def test_another_seed_trains_differently(self) -> None:
        recipe = Recipe(size=32, passes=(Pass(1.0, 2),), epochs=1)
        assert trained(small_network(), recipe, seed=1) != trained(small_network(), recipe, seed=2)

    def test_epochs_are_reported_and_partial_batches_dropped(self) -> None:
        seen: list[Epoch] = []
        result = train(small_network(), SLICES, LABELS, STATISTICS, TINY, seed=0, on_epoch=seen.append)
        assert tuple(seen) == result
        assert [epoch.number for epoch in result] == [1, 2, 3]
        # Five slices make two batches of two: 2 passes x 2 batches x 3 epochs.
        assert result[-1].learning_rate == TINY.learning_rate_at(11, 12)

    def test_slices_of_any_size_and_networks_with_one_channel(self) -> None:
        slices = [np.ascontiguousarray(slice_[: 40 + 2 * i]) for i, slice_ in enumerate(SLICES)]
        labels = [np.ascontiguousarray(label[: 40 + 2 * i]) for i, label in enumerate(LABELS)]
        recipe = Recipe(size=32, passes=(Pass(1.0, 2),), epochs=1)
        (epoch,) = train(small_network(1), slices, labels, STATISTICS, recipe, seed=0)
        assert math.isfinite(epoch.loss)

    def test_what_cannot_be_trained_is_refused(self) -> None:
        with pytest.raises(UsageError, match="auxiliary"):
            trained(small_network(auxiliary=False))
        with pytest.raises(UsageError, match="few"):
            trained(small_network(), Recipe(batch_size=6))
        with pytest.raises(InputError, match="match"):
            trained(small_network(), labels=LABELS[:4])
        with pytest.raises(InputError, match="no class"):
            trained(small_network(), labels=[label + 7 for label in LABELS])

    def test_a_loss_that_is_not_finite_stops_the_training(self) -> None:
        network = small_network()
        with torch.no_grad():
            network.pred1[1].bias.fill_(math.nan)  # type: ignore[operator]
        weights = network.down1.conv.weight.clone()
        with pytest.raises(NumericError):
            trained(network)
        assert torch.equal(network.down1.conv.weight, weights)
