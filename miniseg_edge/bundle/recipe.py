"""The training recipe of the paper (Qiu et al., AAAI 2021), with its figures as defaults.

An epoch has several passes over the training slices, each at its own scale, so that the network sees lesions of many
sizes. The learning rate falls with every iteration.
"""

from dataclasses import dataclass

from miniseg_edge.errors import UsageError

LARGE_CROP_PX, SMALL_CROP_PX = 50, 16
"""The paper's crops at scales above 1, and at others."""


@dataclass(frozen=True)
class Pass:
    """One round through the training slices.

    Attributes:
        scale: of the recipe's size.
        max_crop_px: the most that augmentation crops from each side, in pixels at this scale.
    """

    scale: float
    max_crop_px: int


@dataclass(frozen=True)
class Recipe:
    """Figures of a training; the defaults are the published ones.

    Attributes:
        size: side of the square input at scale 1, in pixels.
        passes: of one epoch, in order.
        epochs: how many.
        batch_size: slices per iteration; a last batch that would be smaller is dropped.
        learning_rate: of the first iteration.
        decay_power: of the poly decay, see `learning_rate_at`.
        weight_decay: L2, as Adam has it.
        auxiliary_weight: of each auxiliary head's loss.
    """

    size: int = 512
    passes: tuple[Pass, ...] = (
        Pass(1.5, LARGE_CROP_PX),
        Pass(1.25, LARGE_CROP_PX),
        Pass(0.75, SMALL_CROP_PX),
        Pass(1.0, SMALL_CROP_PX),
    )
    epochs: int = 80
    batch_size: int = 5
    learning_rate: float = 1e-3
    decay_power: float = 0.9
    weight_decay: float = 1e-4
    auxiliary_weight: float = 0.4

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, len(self.passes)) < 1:
            raise UsageError(
                "the recipe trains nothing",
                expected="at least one epoch, one pass and one slice per batch",
                got=str(self),
            )
        for one in self.passes:
            if one.max_crop_px < 0 or 2 * one.max_crop_px >= self.side_px(one):
                raise UsageError(
                    "a pass crops the whole slice", expected="less than half a side from each side", got=str(one)
                )

    def side_px(self, one: Pass) -> int:
        """Side of a pass's square input."""
        return round(self.size * one.scale)

    def epoch_iterations(self, slices: int) -> int:
        """Of one epoch, over so many slices."""
        return len(self.passes) * (slices // self.batch_size)

    def learning_rate_at(self, iteration: int, iterations: int) -> float:
        """Poly decay: `learning_rate` x (1 - iteration / iterations) ^ `decay_power`, iterations from 0."""
        return float(self.learning_rate * (1.0 - iteration / iterations) ** self.decay_power)
