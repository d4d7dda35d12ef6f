"""The profile: every layer of any network is in it, the bits are those of a run, and wrong arguments are refused."""

import ctypes
from ctypes import byref

import numpy as np
import pytest
from hypothesis import given, settings

from miniseg_edge.architecture import PRESETS, Architecture
from miniseg_edge.native.arithmetic import multiplications
from miniseg_edge.native.binding import Model
from miniseg_edge.native.profile import profiled
from miniseg_edge.native.structures import (
    Code,
    Error,
    LayerTime,
    NativeError,
    ProfileOfLayers,
    options_of,
    output_of,
    slice_of,
)
from tests.native.plans import architectures, case

SLICE = np.random.default_rng(2).integers(0, 256, (67, 90), dtype=np.uint8)
PUBLISHED = PRESETS["miniseg-83k"]


@settings(max_examples=25, deadline=None)
@given(architecture=architectures())
def test_every_layer_of_any_network(architecture: Architecture) -> None:
    with Model(case(architecture).plan) as model:
        found = profiled(model, SLICE, threads=2, runs=1)
        with model.context(SLICE.shape, 1) as context:
            np.testing.assert_array_equal(found.logits, context.logits(SLICE))
    assert sum(layer.multiplications for layer in found.layers) == multiplications(architecture, 1, SLICE.shape)
    assert len({layer.name for layer in found.layers}) == len(found.layers)
    assert [layer.name for layer in found.layers if not layer.nanoseconds] in ([], ["mask"])
    assert sum(layer.nanoseconds for layer in found.layers) == 2 * found.nanoseconds


def test_the_published_network() -> None:
    with Model(case(PUBLISHED).plan) as model:
        found = profiled(model, np.zeros((512, 512), np.uint8), runs=1)
    assert sum(layer.multiplications for layer in found.layers) == multiplications(PUBLISHED, 1, (512, 512))
    assert sum(layer.kind == "pyramid" for layer in found.layers) == sum(PUBLISHED.depths[1:]) + 3
    assert [layer.name for layer in found.layers[:3]] == ["slice", "stage 1 long", "stage 1 main"]
    assert [layer.name for layer in found.layers[-4:]] == ["head", "logits to pixels", "mask", "between layers"]


def test_a_profile_costs_later_runs_nothing_and_changes_none() -> None:
    with Model(case().plan) as model, model.context(SLICE.shape, 2) as context:
        before = context.logits(SLICE)
        np.testing.assert_array_equal(profiled(model, SLICE, threads=2, runs=3).logits, before)
        np.testing.assert_array_equal(context.logits(SLICE), before)


def code_of(model: Model, runs: int = 1, capacity: int = 0, layer_size: int = ctypes.sizeof(LayerTime)) -> Code:
    logits = np.zeros((1, *SLICE.shape), np.float32)
    layers = (LayerTime * max(capacity, 1))()
    found = ProfileOfLayers(ctypes.sizeof(ProfileOfLayers), layer_size, runs, capacity, layers)
    options, error = options_of(SLICE.shape, 1), Error()
    words = (byref(options), byref(slice_of(SLICE, 1)), byref(output_of(logits, 2, SLICE.shape)), byref(found))
    code = model.functions.miniseg_profile_run(model.handle, *words, byref(error))
    return Code(code)


def test_arguments() -> None:
    with Model(case().plan) as model:
        assert code_of(model) == Code.OK
        assert code_of(model, capacity=200) == Code.OK
        assert code_of(model, capacity=3) == Code.ARGUMENT
        assert code_of(model, runs=0) == Code.ARGUMENT
        assert code_of(model, runs=1001) == Code.ARGUMENT
        assert code_of(model, layer_size=64) == Code.ARGUMENT
        for threads in (0, 65):
            with pytest.raises(NativeError) as caught:
                profiled(model, SLICE, threads)
            assert caught.value.code == Code.ARGUMENT
