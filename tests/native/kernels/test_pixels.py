"""Pixels to normalised values, and logits to classes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.native.kernels.child import in_child
from tests.native.kernels.draws import BEHIND, SEEDS, WIDTHS, Chance, same_bits
from tests.native.kernels.memory import Format, Memory, written_row
from tests.native.kernels.table import Set

pytestmark = pytest.mark.slow

TYPES: dict[int, np.dtype[Any]] = {1: np.dtype(np.uint8), 2: np.dtype(np.int16), 3: np.dtype(np.float32)}
LOW, HIGH, FACTOR, OFFSET = -1250.0, 250.5, 0.00731, -1.9


@pytest.mark.parametrize("kind", TYPES)
def test_prepare(sets: list[Set], kind: int) -> None:
    """Clipped and normalised with one rounding, to a split row; pixels one after the other or apart, either way."""
    dtype = TYPES[kind]

    @given(WIDTHS, st.sampled_from([1, 2, 3, -1, -3, 0]), BEHIND, SEEDS)
    def check(width: int, step: int, behind: bool, seed: int) -> None:
        numbers = np.random.default_rng(seed)
        pixels = numbers.integers(-3000, 3000, abs(step) * (width - 1) + 1).astype(dtype)
        if kind == 3:
            pixels += numbers.random(pixels.size).astype(dtype)
            pixels[numbers.random(pixels.size) < 0.1] = np.nan
        form = Format(1, width, split=True)
        found = []
        for one in sets:
            memory = Memory(behind)
            to = written_row(memory, form)
            first = memory.array(pixels) + (pixels.nbytes - dtype.itemsize if step < 0 else 0)
            one.call(
                "prepare",
                pixels=first, pixel_stride=step * dtype.itemsize, type=kind, low=LOW, high=HIGH, factor=FACTOR,
                offset=OFFSET, output=to.address, odd=form.odd, width=width,
            )  # fmt: skip
            found.append(to.values()[0])
        result = same_bits(found)
        read = pixels[::step] if step else np.repeat(pixels, width)
        window = np.clip(read.astype(np.float32), np.float32(LOW), np.float32(HIGH)).astype(float)
        expected = float(np.float32(FACTOR)) * window + float(np.float32(OFFSET))
        assert np.array_equal(np.isnan(result), np.isnan(expected))
        known = ~np.isnan(expected)
        assert (np.abs(result - expected)[known] <= 0.5001 * np.spacing(np.abs(result[known]))).all()

    in_child(check)


def test_mask(sets: list[Set]) -> None:
    """The largest logit above 0, the first of equal ones; 255 where one is not finite."""

    @given(WIDTHS, st.integers(1, 6), BEHIND, SEEDS)
    def check(width: int, maps: int, behind: bool, seed: int) -> None:
        chance = Chance(seed)
        logits = np.round(2 * chance.floats(maps, width)) / 2
        logits[chance.floats(maps, width) > 2] = np.nan
        logits[chance.floats(maps, width) > 2] = np.inf
        logits[chance.floats(maps, width) > 2] = -np.inf
        classes = np.concatenate([np.zeros((1, width)), logits]).argmax(0)
        expected = np.where(np.isfinite(logits).all(0), classes, 255)
        for one in sets:
            memory = Memory(behind)
            output = memory.bytes(width)
            one.call(
                "mask",
                logits=memory.array(logits.astype(np.float32)), stride=width, maps=maps, output=output.ctypes.data,
                width=width,
            )  # fmt: skip
            assert np.array_equal(output, expected)

    in_child(check)
