"""Parity in short: the manifest's line for an artefact, and the table in the terminal."""

from collections.abc import Sequence

from miniseg_edge.bundle.manifest import ParityVerdict
from miniseg_edge.console import terminal
from miniseg_edge.parity.comparison import TargetParity


def summary(parity: TargetParity) -> ParityVerdict:
    """The manifest's line for it."""
    return ParityVerdict(
        target=parity.target,
        precision=parity.precision,
        passed=parity.passed,
        slices=len(parity.slices),
        max_logit_difference=parity.max_logit_difference,
        near_ties=parity.near_ties,
        real_flips=parity.real_flips,
        dice_mean=parity.dice_mean,
        dice_worst=parity.dice_worst,
        limits=parity.limits,
        golden_dice=parity.golden_dice,
    )


def show(title: str, parities: Sequence[TargetParity]) -> None:
    """The table that ends an export or a verification; failed artefacts are red."""
    labelled = any(p.mean_iou is not None for p in parities)
    columns = (
        "target",
        "slices",
        "max Δ",
        "ties",
        "flips",
        "Dice mean",
        "worst",
        *(("mIoU", "ref.") if labelled else ()),
        "parity",
    )
    rows = [
        (
            f"{p.target} {p.precision}",
            str(len(p.slices)),
            "-" if p.max_logit_difference is None else f"{p.max_logit_difference:.1e}",
            str(p.near_ties),
            str(p.real_flips),
            f"{p.dice_mean:.4f}",
            f"{p.dice_worst:.4f}",
            *((_figure(p.mean_iou), _figure(p.reference_mean_iou)) if labelled else ()),
            "passed" if p.passed else "FAILED",
        )
        for p in parities
    ]
    terminal.table(title, columns, rows, [i for i, p in enumerate(parities) if not p.passed])


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
