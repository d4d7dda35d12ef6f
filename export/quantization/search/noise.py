"""The effect of quantization on the logits of the calibration slices: Dice, and noise relative to a yardstick.

Each tensor that is rounded to 8 bits adds noise, which shows at the lesion's edge, where logits are near 0. Where the
logits are flat there, the Dice of a slice depends on chance: the same integers, run by another processor's kernels or
on a slice with one changed pixel, move an edge by some pixels. So the worst observed Dice says little about the worst
possible one, but the noise that causes it does. The yardstick is the FP32 network's response to a slice with each pixel
one grey level brighter or darker: 6 HU in the published window, which is less than the noise of a chest CT.

All figures have the same bits on every machine.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from miniseg_edge.export.quantization.exact.evaluator import Evaluator
from miniseg_edge.export.quantization.exact.operators import Array
from miniseg_edge.export.quantization.exact.parallel import in_parallel
from miniseg_edge.export.quantization.quantizer import Quantizer
from miniseg_edge.export.quantization.search.journal import Verdict
from miniseg_edge.parity.comparison import ParityLimits, compare, failures
from miniseg_edge.plurals import number_of
from miniseg_edge.slices.preprocessing import FloatArray

LIMIT = 1.0
"""Grey levels of noise that INT8 may add."""

NEAR = 3.0
"""Logits closer to 0 than this are near the lesion's edge: probabilities of 5 to 95 %."""

FEW = 24
"""Slices that suffice to distinguish the groups; sets of groups are judged on all."""


@dataclass(frozen=True, eq=False)
class Slice:
    """A calibration slice as the graph's input, (1, C, H, W) float32: unchanged, and one grey level off."""

    name: str
    value: FloatArray
    off: FloatArray


@dataclass(frozen=True)
class _Error:
    """Squared differences of logits near the edge, added up, and how many they are."""

    squares: float
    count: int


@dataclass(frozen=True, eq=False)
class _Baseline:
    """Results of a slice: FP32's logit maps, and errors by their cause."""

    wanted: FloatArray
    grey: _Error
    alone: Mapping[str, _Error]


@dataclass(frozen=True, eq=False)
class Judge:
    """Of sets of groups.

    Attributes:
        quantizer: of the graph.
        slices: the calibration slices.
        limits: for the masks.
        wanted: FP32's logit maps of each slice, (C - 1, H, W) float32.
        grey: mean square of the yardstick's differences near the edge.
        alone: the noise of each group by itself, in grey levels.
    """

    quantizer: Quantizer
    slices: Sequence[Slice]
    limits: ParityLimits
    wanted: Sequence[FloatArray]
    grey: float
    alone: Mapping[str, float]

    @classmethod
    def of(
        cls,
        quantizer: Quantizer,
        groups: Collection[str],
        slices: Sequence[Slice],
        limits: ParityLimits,
    ) -> "Judge":
        """Measures each group by itself.

        Args:
            quantizer: of the graph.
            groups: the candidates.
            slices: the calibration slices.
            limits: for the masks.

        Raises:
            ExportError: see `Evaluator`.
        """
        exact = quantizer.exact
        logits = _logits(exact)
        only = {group: Evaluator(quantizer.model((group,)), {logits}, exact) for group in groups}
        whole = Evaluator(exact, {logits}.union(*(one.shared for one in only.values())))

        few = {one.name for one in slices[:: -(-len(slices) // FEW)]}

        def look(slice_: Slice) -> _Baseline:
            seen: dict[str, Array] = {}
            whole(slice_.value, seen.__setitem__)
            wanted = seen[logits][0]
            alone = {
                group: _error(wanted, _run(one, logits, slice_.value, {name: seen[name] for name in one.shared}))
                for group, one in only.items()
                if slice_.name in few
            }
            return _Baseline(wanted, _error(wanted, _run(whole, logits, slice_.off)), alone)

        found = in_parallel(look, slices, "INT8: the noise of each group")
        grey = _mean([one.grey for one in found])
        some = [one for one in found if one.alone]
        level = _mean([one.grey for one in some])
        alone = {group: _ratio(_mean([one.alone[group] for one in some]), level) for group in groups}
        return cls(quantizer, slices, limits, tuple(one.wanted for one in found), grey, alone)

    def __call__(self, groups: Collection[str]) -> Verdict:
        """The verdict on a set of groups. Raises: UsageError, ExportError: see `Quantizer.model`, `Evaluator`."""
        logits = _logits(self.quantizer.exact)
        run = Evaluator(self.quantizer.model(groups), {logits})
        title = f"INT8: {number_of(len(groups), 'group')}"
        given = in_parallel(lambda one: _run(run, logits, one.value), self.slices, title)
        pairs = list(zip(self.wanted, given, strict=True))
        each = [compare(one.name, *pair, self.limits) for one, pair in zip(self.slices, pairs, strict=True)]
        noise = _ratio(_mean([_error(*pair) for pair in pairs]), self.grey)
        broken = failures(each, self.limits)
        if noise > LIMIT:
            broken += (f"noise of {noise:.2f} grey levels, at most {LIMIT:g} wanted",)
        dice = [found.dice for found in each if found.lesion_pixels >= self.limits.tiny_lesion] or [1.0]
        return Verdict(math.fsum(dice) / len(dice), min(dice), noise, broken)


def _run(run: Evaluator, logits: str, value: FloatArray, shared: Mapping[str, Array] | None = None) -> FloatArray:
    """The logit maps, (C - 1, H, W)."""
    seen: dict[str, Array] = {}
    run(value, seen.__setitem__, shared or {})
    return np.asarray(seen[logits][0], np.float32)


def _logits(model: onnx.ModelProto) -> str:
    """The tensor with the logit maps: the output, or the input of the mask."""
    inside = [node for node in model.graph.node if node.name.startswith("mask/")]
    made = {name for node in inside for name in node.output}
    constants = {constant.name for constant in model.graph.initializer}
    read = [name for node in inside for name in node.input if name and name not in made | constants]
    return str(read[0] if read else model.graph.output[0].name)


def _error(wanted: FloatArray, found: FloatArray) -> _Error:
    near = np.abs(wanted) < NEAR
    differences = (found[near] - wanted[near]).astype(np.float64)
    return _Error(math.fsum((differences * differences).tolist()), int(near.sum()))


def _mean(errors: Sequence[_Error]) -> float:
    return math.fsum(one.squares for one in errors) / max(1, sum(one.count for one in errors))


def _ratio(square: float, grey: float) -> float:
    """A mean square in grey levels; 0 where no slice has an edge."""
    return math.sqrt(square / grey) if grey else 0.0
