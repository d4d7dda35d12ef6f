"""Remarks on what parity cannot detect, because the reference would be wrong in the same way.

Each remark is a separate text, for the terminal, `parity.json` and the manifest.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.parity.comparison import TargetParity
from miniseg_edge.slices.preprocessing import GREY_MAX, ByteArray, Statistics

UNLIKE_MEAN, UNLIKE_STD = 0.1, 1.25
"""How far slices may be from the statistics, as a difference and as a factor."""

SAME = 0.01
"""Relative difference up to which two values of one statistic count as equal, one being rounded."""

SLIGHT_AGREEMENT = 0.2
"""Cohen's kappa below which agreement is called slight: Landis and Koch, Biometrics 33 (1977)."""


def normalisation_remark(statistics: Statistics, what: str, images: Iterable[ByteArray]) -> str | None:
    """A remark if slices do not look like those behind the statistics.

    Args:
        statistics: of the training slices, on the 0..1 scale.
        what: the kind of slices, for the text.
        images: the slices, (H, W) or (H, W, C) uint8.
    """
    moments = [(float(grey.mean()), float(grey.std())) for grey in (image / GREY_MAX for image in images)]
    mean, std = (float(value) for value in np.mean(moments, axis=0))
    if abs(mean - statistics.mean) <= UNLIKE_MEAN and 1 / UNLIKE_STD < std / statistics.std < UNLIKE_STD:
        return None
    return (
        f"The normalisation does not fit the {what} slices: it is for mean {statistics.mean:.3f}, std "
        f"{statistics.std:.3f}, and they have mean {mean:.3f}, std {std:.3f}. Are these the statistics of the "
        "checkpoint's training slices? Parity cannot tell: with others, every runtime draws the same wrong mask."
    )


def contradiction_remark(statistics: Statistics, own: Statistics | None) -> str | None:
    """A remark if the statistics differ from the checkpoint's own by more than rounding."""
    if own is None or all(
        math.isclose(*pair, rel_tol=SAME) for pair in ((statistics.mean, own.mean), (statistics.std, own.std))
    ):
        return None
    return (
        f"The normalisation (mean {statistics.mean:.3f}, std {statistics.std:.3f}) is not the checkpoint's own (mean "
        f"{own.mean:.3f}, std {own.std:.3f}), which --mean and --std have replaced."
    )


def unchecked_remark(statistics: Statistics) -> str:
    """A remark if there was no real slice."""
    return (
        f"Judged on drawn phantoms alone: whether the normalisation (mean {statistics.mean:.3f}, std "
        f"{statistics.std:.3f}) fits your slices could not be checked. --validation DIR names some; with --labels DIR "
        "the lesions are checked too."
    )


def agreement_remark(parities: Sequence[TargetParity]) -> str | None:
    """A remark if the reference finds the labels' lesions hardly better than chance."""
    judged = next((p for p in parities if p.reference_mean_iou is not None), None)
    if judged is None:
        return None
    if judged.reference_kappa is None:
        return "The labels hold no lesion, or nothing else: whether the network finds lesions was not judged."
    if judged.reference_kappa >= SLIGHT_AGREEMENT:
        return None
    return (
        f"The network itself DOES NOT FIND THE LABELS' LESIONS: mIoU {judged.reference_mean_iou:.4f}, Cohen's kappa "
        f"{judged.reference_kappa:.2f}, where a blind guess has 0 and a perfect mask 1. Parity only says that every "
        "runtime draws the same. Check --mean and --std, the slices' window, and that the labels belong to the slices. "
        "--min-reference-iou makes it fail."
    )


def processor_remark(artifacts: Sequence[Artifact]) -> str | None:
    """A remark if this CPU cannot run what OpenVINO would be given."""
    precisions = {artifact.precision for artifact in artifacts if artifact.target == "openvino"}
    if "bf16" not in precisions:
        return None
    which = "CPUs with AVX-512 BF16 or AMX: Intel's Xeons since Sapphire Rapids, AMD's since Zen 4"
    if "fp32" in precisions:
        asked = '--precision bf16, or load(..., precision="bf16")'
        return f"OpenVINO runs fp32 unless bf16 is asked for: {asked}. That opens only on {which}."
    return f"OpenVINO's bf16 opens only on {which}. Others refuse it: add --precision fp32 for them."
