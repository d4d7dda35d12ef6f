import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.recipe import Pass, Recipe
from miniseg_edge.errors import InputError, NumericError, UsageError
from miniseg_edge.phantoms import phantoms
from miniseg_edge.training.data.samples import Sample, training_statistics
from miniseg_edge.training.networks.miniseg import MiniSeg
from miniseg_edge.training.trainer import Epoch, Trainer

TINY = Recipe(size=64, passes=(Pass(0.75, 4), Pass(1.0, 4)), epochs=3, batch_size=2, learning_rate=1e-2)
SHORT = Recipe(size=32, passes=(Pass(1.0, 2),), epochs=1)
SAMPLES = [Sample(one.name, one.name, one.image, one.mask) for one in phantoms(5, size=(64, 64))]
STATISTICS = training_statistics([sample.image for sample in SAMPLES])


def small_network(in_channels: int = 3, *, auxiliary: bool = True) -> MiniSeg:
    torch.manual_seed(0)
    return MiniSeg(Architecture((8, 8, 8, 8), in_channels=in_channels), auxiliary=auxiliary)


def trainer(
    network: MiniSeg | None = None, recipe: Recipe = TINY, samples: Sequence[Sample] = SAMPLES, seed: int = 0
) -> Trainer:
    return Trainer(network or small_network(), samples, STATISTICS, recipe, seed=seed)


def trained(made: Trainer) -> tuple[Epoch, ...]:
    while not made.done:
        made.run_epoch()
    return made.epochs


def differing(one: torch.nn.Module, other: torch.nn.Module) -> list[str]:
    states = zip(one.state_dict().items(), other.state_dict().values(), strict=True)
    return [name for (name, mine), theirs in states if not torch.equal(mine, theirs)]


def test_it_learns_and_repeats_itself_bit_for_bit() -> None:
    first, second = small_network(), small_network()
    before = torch.get_rng_state()
    epochs = trained(trainer(first))
    assert torch.equal(torch.get_rng_state(), before)
    assert epochs[-1].loss < 0.9 * epochs[0].loss
    assert not first.training
    assert trained(trainer(second)) == epochs
    assert differing(first, second) == []


def test_it_goes_on_as_if_it_had_not_been_stopped() -> None:
    whole, first, second = small_network(), small_network(), small_network()
    epochs = trained(trainer(whole))
    stopped = trainer(first)
    stopped.run_epoch()
    state = stopped.state()
    stopped.run_epoch()  # the state is a copy: what comes after does not change it
    torch.rand(7)
    going_on = trainer(second)
    going_on.restore(state)
    assert trained(going_on) == epochs
    assert differing(whole, second) == []


def test_another_seed_trains_differently() -> None:
    assert trained(trainer(recipe=SHORT, seed=1)) != trained(trainer(recipe=SHORT, seed=2))


def test_each_epoch_draws_anew() -> None:
    made = trainer(recipe=replace(SHORT, epochs=2, learning_rate=1e-30))  # nothing is learnt
    assert made.run_epoch().loss != pytest.approx(made.run_epoch().loss, rel=1e-6)


def test_iterations_are_reported_and_partial_batches_dropped() -> None:
    seen: list[tuple[int, int]] = []
    made = trainer()
    while not made.done:
        made.run_epoch(lambda done, of: seen.append((done, of)))
    assert [epoch.number for epoch in made.epochs] == [1, 2, 3]
    # Five slices make two batches of two: 2 passes x 2 batches an epoch.
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)] * 3
    assert made.epochs[-1].learning_rate == TINY.learning_rate_at(11, 12)


def test_slices_of_any_size_and_networks_with_one_channel() -> None:
    samples = [
        Sample(s.name, s.group, s.image[: 40 + 2 * i].copy(), s.label[: 40 + 2 * i].copy())
        for i, s in enumerate(SAMPLES)
    ]
    assert math.isfinite(trainer(small_network(1), SHORT, samples).run_epoch().loss)


def test_channels_that_differ() -> None:
    samples = [replace(s, image=np.stack([s.image, s.image[::-1], s.image], axis=-1)) for s in SAMPLES]
    assert math.isfinite(trainer(small_network(), SHORT, samples).run_epoch().loss)
    with pytest.raises(InputError, match="unexpected number of channels"):
        trainer(small_network(2), SHORT, samples)


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(UsageError, match="auxiliary"):
        trainer(small_network(auxiliary=False))
    with pytest.raises(UsageError, match="few"):
        trainer(recipe=Recipe(batch_size=6))
    with pytest.raises(InputError, match="not a class"):
        trainer(samples=[replace(sample, label=sample.label + 7) for sample in SAMPLES])


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    network = small_network()
    with torch.no_grad():
        network.pred1[1].bias.fill_(math.nan)  # type: ignore[operator]
    weights = network.down1.conv.weight.clone()
    with pytest.raises(NumericError):
        trainer(network).run_epoch()
    assert torch.equal(network.down1.conv.weight, weights)
