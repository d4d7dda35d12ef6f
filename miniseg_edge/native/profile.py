"""The time of each layer of a network: the library's own profile."""

import ctypes
from ctypes import byref
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.native.binding import Model
from miniseg_edge.native.structures import (
    Error,
    LayerTime,
    ProfileOfLayers,
    options_of,
    output_of,
    size_of,
    slice_of,
)

RUNS = 20
"""Default number of measured runs."""


@dataclass(frozen=True)
class Layer:
    """A layer of a run.

    Attributes:
        name: such as `stage 2 block 1 pyramid`. The last one, `between layers`, is waiting time.
        kind: `1x1`, `dense 3x3`, `depthwise 5x5`, `pyramid`, `fusion`, `upsample`, ...
        nanoseconds: summed over all threads, in the fastest run, which other processes disturbed least.
        multiplications: by the network's weights, for one slice.
    """

    name: str
    kind: str
    nanoseconds: int
    multiplications: int


@dataclass(frozen=True)
class Profile:
    """Of runs on one slice.

    Attributes:
        layers: in the order of computation.
        nanoseconds: of the fastest run, from start to end; times `threads`, this is the sum of the layers.
        threads: of the run.
        logits: (classes - 1, H, W) float32, as `Context.logits` gives them.
    """

    layers: tuple[Layer, ...]
    nanoseconds: int
    threads: int
    logits: npt.NDArray[np.float32]


def profiled(model: Model, slice_: npt.NDArray[np.generic], threads: int = 1, runs: int = RUNS) -> Profile:
    """Runs a slice, as `Context.logits` takes it, in a temporary context.

    Raises:
        NativeError: ARGUMENT, MEMORY, THREADS.
    """
    size = size_of(slice_)
    logits = np.empty((model.description.classes - 1, *size), np.float32)
    given = slice_of(slice_, model.description.channels)
    wanted = output_of(logits, model.description.classes, size)
    options, error = options_of(size, threads), Error()
    found = ProfileOfLayers(ctypes.sizeof(ProfileOfLayers), ctypes.sizeof(LayerTime), runs)

    def call() -> None:
        words = (byref(options), byref(given), byref(wanted), byref(found), byref(error))
        error.check(model.functions.miniseg_profile_run(model.handle, *words))

    call()  # without room: how many layers there are
    layers = (LayerTime * found.count)()
    found.layers, found.capacity = layers, found.count
    call()
    told = tuple(Layer(one.name.decode(), one.kind.decode(), one.nanoseconds, one.multiplications) for one in layers)
    return Profile(told, found.nanoseconds, threads, logits)
