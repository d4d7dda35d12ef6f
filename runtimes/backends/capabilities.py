"""What a runtime may report about its own speed: types of the optional methods of `Runtime`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge.slices.preprocessing import FloatArray


@dataclass(frozen=True)
class OperatorTime:
    """An operator of the compiled artefact: milliseconds per slice as reported by the runtime, usually the mean."""

    name: str
    kind: str
    ms: float


@dataclass(frozen=True)
class DenseChain:
    """A chain of dense 3x3 convolutions: `channels` in and out, `layers` of them, on maps of `side` x `side`.

    Channels and side fill the vector registers, and keep weights and maps in the cache: the best case for engines.
    """

    channels: int = 64
    side: int = 64
    layers: int = 4

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of its input and output, float32."""
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
        command: program and arguments; it writes its report into the given folder.
        median_ms: reads the median latency in ms from that report. Raises OSError, KeyError or ValueError if it is
            missing.
    """

    command: Callable[[Path], tuple[str, ...]]
    median_ms: Callable[[Path], float]
