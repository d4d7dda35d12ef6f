"""Parity: does an artefact still segment the reference's lesion? Judged on logit maps, pixel by pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from miniseg_edge.parity.metrics import dice
from miniseg_edge.plurals import number_of
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, mask_from_logits


@dataclass(frozen=True)
class ParityLimits:
    """How much an artefact may differ. The defaults are FP32's: only rounding at the decision boundary.

    Attributes:
        near_tie: a changed pixel whose reference margin is below this is a near-tie, otherwise a real flip.
        max_real_flips: real flips allowed, summed over all slices, or None.
        max_logit_difference: largest absolute logit difference allowed, or None.
        min_dice_mean, min_dice_worst: required Dice against the reference, tiny lesions excluded.
        tiny_lesion: slices on which the reference's lesion has fewer pixels are judged by changed pixels. On them, and
            on slices without a lesion, a single pixel can change the Dice by up to 1.
        max_tiny_changes: pixels that may change on such a slice.
        max_iou_drop: how much the mIoU with the labels may be below the reference's, or None.
        min_reference_iou: mIoU with the labels that the reference itself must reach, or None.
    """

    near_tie: float = 1e-3
    max_real_flips: int | None = 0
    max_logit_difference: float | None = None
    min_dice_mean: float = 0.0
    min_dice_worst: float = 0.0
    tiny_lesion: int = 0
    max_tiny_changes: int = 0
    max_iou_drop: float | None = None
    min_reference_iou: float | None = None


_SAME_LESION = ParityLimits(
    max_real_flips=None, min_dice_mean=0.98, min_dice_worst=0.95, tiny_lesion=100, max_tiny_changes=16
)

DEFAULT_LIMITS = {
    "fp32": ParityLimits(),
    "fp16": replace(_SAME_LESION, min_dice_mean=0.995, min_dice_worst=0.98),
    "bf16": _SAME_LESION,
    "int8": replace(_SAME_LESION, max_iou_drop=0.003),
}
"""By precision: FP32 may only round. The others must still segment the same lesion, and INT8 the labels' too."""


@dataclass(frozen=True)
class SliceParity:
    """One slice: artefact against reference, and both against the label if there is one.

    Attributes:
        name: of the slice.
        pixels: in the slice.
        lesion_pixels: in the reference's mask.
        max_logit_difference: largest absolute one, or None if the artefact only returns masks.
        near_ties, real_flips: the changed pixels, by kind.
        dice: of the two masks.
        dice_label, reference_dice_label: of each mask with the label, or None.
    """

    name: str
    pixels: int
    lesion_pixels: int
    max_logit_difference: float | None
    near_ties: int
    real_flips: int
    dice: float
    dice_label: float | None = None
    reference_dice_label: float | None = None

    @property
    def changes(self) -> int:
        """All changed pixels."""
        return self.near_ties + self.real_flips


@dataclass(frozen=True)
class TargetParity:
    """All slices of one artefact.

    Attributes:
        target, precision, runtime: what was compared with the FP32 torch reference.
        limits: the limits that were applied.
        failures: one sentence each; empty if it passed.
        mean_iou, reference_mean_iou: over all labelled pixels, or None.
        slices: one by one.
        golden_dice: the worst on the bundle's golden slices.
        reference_kappa: the reference's agreement with the labels beyond chance; see `Confusion.kappa`.
    """

    target: str
    precision: str
    runtime: str
    limits: ParityLimits
    failures: tuple[str, ...]
    mean_iou: float | None
    reference_mean_iou: float | None
    slices: tuple[SliceParity, ...]
    golden_dice: float = 1.0
    reference_kappa: float | None = None

    @property
    def passed(self) -> bool:
        """Whether every limit was kept."""
        return not self.failures

    @property
    def max_logit_difference(self) -> float | None:
        """Largest of all slices, or None if the artefact only returns masks."""
        return _largest_difference(self.slices)

    @property
    def near_ties(self) -> int:
        """Sum of all slices."""
        return sum(s.near_ties for s in self.slices)

    @property
    def real_flips(self) -> int:
        """Sum of all slices."""
        return sum(s.real_flips for s in self.slices)

    @property
    def dice_mean(self) -> float:
        """Mean over slices of the Dice against the reference."""
        return float(np.mean([s.dice for s in self.slices]))

    @property
    def dice_worst(self) -> float:
        """The worst slice's."""
        return min(s.dice for s in self.slices)


@dataclass(frozen=True)
class ParityReport:
    """The file `parity.json`: what was compared on which slices, target by target, and the limits of the check."""

    schema_version: int
    checkpoint_sha256: str
    validation: str
    targets: tuple[TargetParity, ...]
    remarks: tuple[str, ...] = ()


def compare(name: str, reference: FloatArray, artifact: FloatArray | ByteArray, limits: ParityLimits) -> SliceParity:
    """Compares an artefact's answer to one slice with the reference's logit maps.

    Args:
        name: of the slice.
        reference: (C - 1, H, W) float32, each class relative to background.
        artifact: the same, or a mask (H, W) uint8 if the artefact returns nothing else.
        limits: only `near_tie` is used here.
    """
    reference_mask = mask_from_logits(reference)
    logits = None if artifact.dtype == np.uint8 else np.asarray(artifact, np.float32)
    artifact_mask = np.asarray(artifact, np.uint8) if logits is None else mask_from_logits(logits)
    changed = reference_mask != artifact_mask
    ties = int((_margins(reference, reference_mask, artifact_mask)[changed] < limits.near_tie).sum())
    return SliceParity(
        name=name,
        pixels=reference_mask.size,
        lesion_pixels=int((reference_mask > 0).sum()),
        max_logit_difference=None if logits is None else float(np.abs(reference - logits).max()),
        near_ties=ties,
        real_flips=int(changed.sum()) - ties,
        dice=dice(reference_mask, artifact_mask),
    )


def _largest_difference(slices: Sequence[SliceParity]) -> float | None:
    found = [s.max_logit_difference for s in slices if s.max_logit_difference is not None]
    return max(found) if len(found) == len(slices) else None


def _margins(logits: FloatArray, won: ByteArray, other: ByteArray) -> FloatArray:
    """How much the reference preferred its own class to the artefact's; |logit| for two classes."""
    with_background = np.concatenate([np.zeros_like(logits[:1]), logits])
    preferred = np.take_along_axis(with_background, won[None].astype(np.int64), 0)[0]
    return np.asarray(preferred - np.take_along_axis(with_background, other[None].astype(np.int64), 0)[0])


def failures(
    slices: Sequence[SliceParity], limits: ParityLimits, mean_iou: float | None = None, wanted_iou: float | None = None
) -> tuple[str, ...]:
    """The violated limits, one sentence each.

    Args:
        slices: one by one.
        limits: the limits to apply.
        mean_iou, wanted_iou: the artefact's mIoU with the labels, and the reference's; None without labels.
    """
    return (
        *_logit_failures(slices, limits),
        *_dice_failures([s for s in slices if s.lesion_pixels >= limits.tiny_lesion], limits),
        *_tiny_failures([s for s in slices if s.lesion_pixels < limits.tiny_lesion], limits),
        *_label_failures(mean_iou, wanted_iou, limits),
    )


def _logit_failures(slices: Sequence[SliceParity], limits: ParityLimits) -> Iterator[str]:
    flips = sum(s.real_flips for s in slices)
    largest = _largest_difference(slices)
    if not all(np.isfinite(s.max_logit_difference) for s in slices if s.max_logit_difference is not None):
        yield "logits are not finite"
    if limits.max_real_flips is not None and flips > limits.max_real_flips:
        yield f"{number_of(flips, 'pixel')} flipped, {limits.max_real_flips} allowed"
    if limits.max_logit_difference is not None:
        if largest is None:
            yield "logit differences are limited, but the artefact gives masks alone"
        elif largest > limits.max_logit_difference:
            yield f"largest logit difference {largest:.3g}, {limits.max_logit_difference:g} allowed"


def _dice_failures(slices: Sequence[SliceParity], limits: ParityLimits) -> Iterator[str]:
    if not slices:
        return
    mean, worst = float(np.mean([s.dice for s in slices])), min(slices, key=lambda s: s.dice)
    if mean < limits.min_dice_mean:
        yield f"mean Dice {mean:.4f}, at least {limits.min_dice_mean:g} wanted"
    if worst.dice < limits.min_dice_worst:
        yield f"worst Dice {worst.dice:.4f} ({worst.name}), at least {limits.min_dice_worst:g} wanted"


def _tiny_failures(slices: Sequence[SliceParity], limits: ParityLimits) -> Iterator[str]:
    worst = max(slices, key=lambda s: s.changes, default=None)
    if worst is not None and worst.changes > limits.max_tiny_changes:
        yield (
            f"{number_of(worst.changes, 'pixel')} changed on {worst.name}, whose lesion has {worst.lesion_pixels}; "
            f"{limits.max_tiny_changes} allowed where it has fewer than {limits.tiny_lesion}"
        )


def _label_failures(mean_iou: float | None, wanted: float | None, limits: ParityLimits) -> Iterator[str]:
    if mean_iou is None or wanted is None:
        return
    if limits.min_reference_iou is not None and wanted < limits.min_reference_iou:
        yield f"the reference's own mIoU is {wanted:.4f}, at least {limits.min_reference_iou:g} wanted"
    if limits.max_iou_drop is not None and mean_iou < wanted - limits.max_iou_drop:
        yield f"mIoU {mean_iou:.4f}, at most {limits.max_iou_drop:g} below the reference's {wanted:.4f} wanted"
