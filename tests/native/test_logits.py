"""What libminiseg computes, against torch in float64, for any MiniSeg and size."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miniseg_edge.architecture import PRESETS, Architecture
from miniseg_edge.native.binding import Model
from tests.native.plans import SIZES, SMALL, architectures, assert_near, case


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(architectures(), SIZES, st.integers(0, 2**16), st.integers(1, 3))
def test_any_network_and_size(architecture: Architecture, size: tuple[int, int], seed: int, threads: int) -> None:
    made = case(architecture, seed, channels=architecture.in_channels)
    shape = (architecture.in_channels, *size)
    slice_ = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    with Model(made.plan) as model, model.context(size, threads) as context:
        assert_near(context.logits(slice_), made.expected(slice_))


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("size", [(1, 1), (7, 130), (96, 96)])
def test_presets(preset: str, size: tuple[int, int]) -> None:
    made = case(PRESETS[preset])
    slice_ = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
    with Model(made.plan) as model, model.context(size, 2) as context:
        assert_near(context.logits(slice_), made.expected(slice_))


def test_one_context_takes_many_sizes() -> None:
    """Whatever an earlier size left in memory is gone."""
    made = case()
    chance = np.random.default_rng(2)
    with Model(made.plan) as model, model.context((90, 140), 2) as context:
        for size in [(90, 140), (33, 65), (90, 139), (1, 140), (64, 64), (90, 1), (33, 65)]:
            slice_ = chance.integers(0, 256, size, dtype=np.uint8)
            assert_near(context.logits(slice_), made.expected(slice_))


def test_hu_are_windowed() -> None:
    made = case(hu=True)
    slice_ = np.random.default_rng(3).uniform(-3000, 3000, (40, 51)).astype(np.float32)
    with Model(made.plan) as model, model.context(slice_.shape, 1) as context:
        assert model.description.hu
        assert_near(context.logits(slice_), made.expected(slice_))
        whole = np.round(slice_).astype(np.int16)
        assert_near(context.logits(whole), made.expected(whole))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_strides(dtype: type[np.generic]) -> None:
    """Turned, mirrored, cut and repeated slices are read where they lie."""
    made = case(channels=1)
    base = np.random.default_rng(4).integers(0, 256, (60, 200)).astype(dtype)
    with Model(made.plan) as model, model.context((200, 200), 1) as context:
        for view in (base, base.T, base[::-1, ::-1], base[5:50, 3:170:3], np.broadcast_to(base[:1], (60, 200))):
            assert np.array_equal(context.logits(view), context.logits(np.ascontiguousarray(view)))


def test_planar_colours_may_be_interleaved() -> None:
    made = case(channels=3)
    pixels = np.random.default_rng(5).integers(0, 256, (45, 39, 3), dtype=np.uint8)
    with Model(made.plan) as model, model.context((45, 39), 1) as context:
        assert_near(context.logits(pixels.transpose(2, 0, 1)), made.expected(pixels.transpose(2, 0, 1).copy()))


def test_masks_are_the_largest_logits() -> None:
    made = case(Architecture(SMALL.channels, SMALL.depths, SMALL.long_depths, classes=4))
    slice_ = np.random.default_rng(6).integers(0, 256, (61, 47), dtype=np.uint8)
    with Model(made.plan) as model, model.context((61, 47), 2) as context:
        logits, mask = context.logits(slice_), context.mask(slice_)
    expected = np.concatenate([np.zeros_like(logits[:1]), logits]).argmax(0)
    assert len(np.unique(expected)) > 1
    assert np.array_equal(mask, expected)


def test_what_is_not_finite_is_no_class() -> None:
    made = case()
    slice_ = np.full((64, 64), 100.0, np.float32)
    slice_[20, 30] = np.nan
    with Model(made.plan) as model, model.context((64, 64), 1) as context:
        mask, logits = context.mask(slice_), context.logits(slice_)[0]
    assert np.array_equal(mask == 255, ~np.isfinite(logits))
    assert mask[20, 30] == 255
