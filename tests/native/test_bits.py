"""The bits are the contract: equal on every instruction set, number of threads, size of context and repetition."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miniseg_edge.architecture import Architecture
from miniseg_edge.native.binding import InstructionSet, Model, instruction_sets
from tests.native.plans import SIZES, architectures, case


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(architectures(), SIZES, st.integers(0, 2**16))
def test_instruction_sets_and_threads(architecture: Architecture, size: tuple[int, int], seed: int) -> None:
    plan = case(architecture, seed).plan
    slice_ = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    answers = set()
    for set_ in instruction_sets():
        for threads in (1, 2, 4):
            with Model(plan, set_) as model, model.context((size[0] + 7, size[1] + 40), threads) as context:
                answers |= {context.logits(slice_).tobytes() for _ in range(2)}
    assert len(answers) == 1


def test_plain_is_everywhere_and_best_is_one_of_them() -> None:
    assert InstructionSet.PLAIN in instruction_sets()
    with Model(case().plan) as model:
        assert model.description.instruction_set in instruction_sets()


def test_other_float_modes_of_the_caller_change_nothing() -> None:
    """A library that turns denormal numbers off does so for the whole thread; torch can be asked to."""
    import torch

    made = case(seed=3)
    slice_ = np.full((32, 32), 1e-36, np.float32)
    with Model(made.plan) as model, model.context((32, 32), 1) as context:
        before = context.logits(slice_)
        if not torch.set_flush_denormal(True):
            return
        try:
            assert np.array_equal(before, context.logits(slice_))
            assert torch.tensor([1e-40]).mul(1.0).item() == 0.0  # still as the caller set it
        finally:
            torch.set_flush_denormal(False)
