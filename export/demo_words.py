"""What `miniseg-demo` says before and after its work: how long it takes, its terms, and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.measuring.speed import speed
from miniseg_edge.parity.comparison import ParityLimits
from miniseg_edge.plurals import number_of

ANNOUNCEMENT = (
    "This demo exports a trained checkpoint for three runtimes, compares each with the original network, segments six "
    "synthetic slices, and measures the speed. It takes two to three minutes on two cores and downloads nothing."
)

TERMS = (
    ("near-tie", f"a pixel whose logit is within {ParityLimits.near_tie:g} of zero, so that rounding may decide it"),
    ("flip", "any other pixel that an artefact classifies otherwise than the original network; FP32 may have none"),
    ("Dice", "the overlap of two masks: 0 is none, 1 is identical"),
)


@dataclass(frozen=True)
class Agreement:
    """How far the masks of one artefact are those of the first.

    Attributes:
        name: of the artefact.
        changed: pixels that differ, of all slices together.
        dice_worst: of the slice where the two overlap least, 0..1.
    """

    name: str
    changed: int
    dice_worst: float


def identical(first: str, others: Sequence[Agreement], slices: int, pixels: int) -> str:
    """The sentence about the masks: of all slices, which have `pixels` pixels together."""
    same = [one.name for one in others if one.changed == 0]
    where = f"{number_of(slices, 'slice')} ({number_of(pixels, 'pixel')})"
    parts = [f"{_listed([first, *same])} give identical masks of {where}"] if same else []
    parts += [
        f"{one.name} differs from {first} in {number_of(one.changed, 'pixel')} (Dice {one.dice_worst:.4f} at worst)"
        for one in others
        if one.changed
    ]
    return "; ".join(parts) + "."


def fastest(turns: Mapping[str, Sequence[float]]) -> str:
    """The sentence about speed: the first beside each other, from milliseconds round by round."""
    (first, own), *others = turns.items()
    faster, rest = [], []
    for name, taken in others:
        found, reverse = speed(taken, own), speed(own, taken)
        if found.faster:
            faster.append(f"{found.ratio:.1f} times as fast as {name}")
        elif reverse.faster:
            rest.append(f"{name} is {reverse.ratio:.1f} times as fast as {first}")
        else:
            rest.append(f"{first} and {name} do not differ beyond noise")
    parts = ([f"{first} is {_listed(faster)}"] if faster else []) + rest
    return f"On this machine {'; '.join(parts)}."


def where_to_look(picture: Path, names: Sequence[str], bundle: Path) -> str:
    """The sentence that ends the demo."""
    columns = _listed(["the slice", "its true lesion", *(f"the mask of {name}" for name in names)])
    return f"Look at {picture}, whose columns are {columns}; the bundle is {bundle}. See docs/tutorial.md next."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
