"""What a runtime may be able to tell of its own speed: types of the optional methods of `Runtime`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge.slices.preprocessing import FloatArray


@dataclass(frozen=True)
class OperatorTime:
    """An operator of the compiled artefact: milliseconds a slice, as the runtime tells them, the mean as a rule."""

    name: str
    kind: str
    ms: float


@dataclass(frozen=True)
class DenseChain:
    """A chain of dense 3x3 convolutions: `channels` in and out, `layers` of them, on maps of `side` x `side`.

    Channels and side are such that vector registers are full and weights and maps lie in the cache, which is what
    engines are best at.
    """

    channels: int = 64
    side: int = 64
    layers: int = 4

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of its input and output, float32."""
        return 1, self.channels, self.side, self.side

    @property
    def macs(self) -> int:
        """Multiplications for one input."""
        return self.layers * self.channels * self.channels * 9 * self.side * self.side

    def weights(self) -> FloatArray:
        """(channels, channels, 3, 3) float32, the same for each layer."""
        scale = np.float32(1 / np.sqrt(9 * self.channels))
        values = np.random.default_rng(1).standard_normal((self.channels, self.channels, 3, 3), np.float32)
        return np.asarray(values * scale, np.float32)


@dataclass(frozen=True)
class VendorProgram:
    """The vendor's own program that measures one artefact.

    Attributes:
        command: its words, the program's name first; it writes its report into the folder given.
        median_ms: reads that report: the median latency in ms. Raises OSError, KeyError or ValueError, if it says none.
    """

    command: Callable[[Path], tuple[str, ...]]
    median_ms: Callable[[Path], float]
