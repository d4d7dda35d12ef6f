"""Counted values by bands of HU, without padding: shares, quantiles, and the positions of a chest's two peaks."""

import numpy as np
import numpy.typing as npt

from miniseg_edge.slices.value_counts import BIN_HU, HIGH_HU, LOW_HU, ValueCounts

DARKEST_HU, LUNG_END_HU, TISSUE_HU, DENSE_HU = -1248, -600, -200, 704
"""Padding is below the first, air and lung below the second, soft tissue above the third, dense bone above the last."""

BLOOD_END_HU = 304

_LEAST_OFFSET = 880
_PADDING_HU = 64
"""Padding that was compressed with losses spreads over less than this."""


class Bands:
    """Shares of the values by bands, without the padding.

    Attributes:
        bins: as counted.
        total: how many values.
        padded: whether a tenth of them is padding below air.
        deep: share below air that is not padding.
        air: share of air and lung.
        light: number of values above lung.
    """

    def __init__(self, counts: ValueCounts) -> None:
        self.bins = counts.bins
        self._below = np.concatenate([[0], np.cumsum(self.bins)])
        darkest, lung_end, width = _index(DARKEST_HU), _index(LUNG_END_HU), _PADDING_HU // BIN_HU
        padding = int((self._below[width : darkest + 1] - self._below[: darkest + 1 - width]).max())
        fullest = int(self.bins[darkest:lung_end].max())
        self.total = int(self._below[-1])
        self._rest = max(1, self.total - padding - fullest)
        self.padded = padding >= 0.1 * self.total
        self.deep = (int(self._below[darkest]) - padding) / self._rest
        self.air = (int(self._below[lung_end] - self._below[darkest]) - fullest) / self._rest
        self.light = self.total - int(self._below[lung_end])

    def share(self, low: int, high: int = HIGH_HU) -> float:
        """Of the values in low..high; multiples of `BIN_HU`, above lung."""
        return float(self._below[_index(high)] - self._below[_index(low)]) / self._rest

    def quantile(self, share: float) -> int:
        """Quantile of the values above lung: the lower end of its bin."""
        rank = self.total - self.light + share * self.light
        return min(int(np.searchsorted(self._below, rank, side="right")) - 1, len(self.bins) - 1) * BIN_HU + LOW_HU

    def two_groups(self) -> float:
        """How well one threshold splits the values in two, 0..1: variance between groups over total variance (Otsu).

        It is 0.64 for a normal distribution, 0.75 for a uniform one, and at least 0.9 for air with tissue.
        """
        level = np.arange(len(self.bins), dtype=np.float64)
        mean = float(level @ self.bins) / self.total
        parts = self.bins.cumsum()[:-1]
        inner = np.flatnonzero((parts > 0) & (parts < self.total))
        if not len(inner):
            return 0.0
        count, moment = parts[inner].astype(np.float64), np.cumsum(self.bins * level)[inner]
        between = (mean * count - moment) ** 2 / (count * (self.total - count))
        return float(between.max() / (self.bins @ (level - mean) ** 2 / self.total))

    def offset(self) -> int | None:
        """Where the soft tissue of HU + an offset is, or None.

        It is a peak above the values between lung and tissue, with air and lung below it, and little bone above.
        """
        at = np.arange(_index(_LEAST_OFFSET), _index(HIGH_HU - 1024))

        def share(low: int, high: int) -> npt.NDArray[np.float64]:
            counts = self._below[at + high // BIN_HU] - self._below[at + low // BIN_HU]
            return np.asarray(counts / self._rest, np.float64)

        tissue, between, air = share(-152, 152), share(-504, -256), share(-1152, -600)
        dense = (self.total - self._below[at + DENSE_HU // BIN_HU]) / self._rest
        fits = (tissue >= 0.05) & (tissue >= 2 * between) & (air >= 0.1) & (dense <= tissue / 2)
        fits &= tissue + between + air >= 0.6
        best = int(np.where(fits, tissue - between, -1.0).argmax())
        return int(at[best]) * BIN_HU + LOW_HU if fits[best] else None


def _index(hu: int) -> int:
    return (hu - LOW_HU) // BIN_HU
