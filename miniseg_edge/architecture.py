"""The shape of a MiniSeg: channels, depths and classes. Needs neither weights nor torch."""

from dataclasses import dataclass

BRANCHES = 4
"""Branches of the AHSP pyramid; the channels of stages 2 to 4 are multiples of it."""

MAX_CHANNELS = 1024
MAX_DEPTH = 64
MAX_CLASSES = 255  # masks are uint8, and label 255 means unjudged
"""Limits far above any MiniSeg. Files that exceed them are refused before anything is allocated."""


@dataclass(frozen=True)
class Architecture:
    """Constructor parameters of a MiniSeg.

    Attributes:
        channels: channels of stages 1 to 4.
        depths: blocks of stages 1 to 4 on the main path, after each stage's first block.
        long_depths: the same for the long path.
        classes: output classes; class 0 is background.
        in_channels: channels of the input image; 3 in the published network, which is fed grey as three equal ones.

    Raises:
        ValueError: no MiniSeg has this shape, or it is too large.
    """

    channels: tuple[int, int, int, int] = (8, 24, 32, 64)
    depths: tuple[int, int, int, int] = (2, 3, 8, 6)
    long_depths: tuple[int, int, int, int] = (1, 1, 4, 3)
    classes: int = 2
    in_channels: int = 3

    def __post_init__(self) -> None:
        if max(*self.channels, self.in_channels) > MAX_CHANNELS or self.classes > MAX_CLASSES:
            raise ValueError(f"at most {MAX_CHANNELS} channels and {MAX_CLASSES} classes: {self}")
        if max(*self.depths, *self.long_depths) > MAX_DEPTH or min(*self.depths, *self.long_depths) < 0:
            raise ValueError(f"0 to {MAX_DEPTH} blocks a stage: {self}")
        if any(c < 1 for c in (*self.channels, self.in_channels)) or self.classes < 2:
            raise ValueError(f"channels must be positive and classes at least 2: {self}")
        if any(c % BRANCHES for c in self.channels[1:]):
            raise ValueError(f"channels of stages 2 to 4 must be multiples of {BRANCHES}: {self.channels}")
        if any(long > main for long, main in zip(self.long_depths, self.depths, strict=True)):
            raise ValueError(f"a stage's long path is never deeper than its main path: {self}")


PRESETS = {
    # The network of the AAAI 2021 paper; the published weights have exactly this shape.
    "miniseg-83k": Architecture(),
    # arXiv v1 speaks of 472K parameters, but that network was never published. This is today's network
    # widened to that budget (470,416 parameters); no published weights or scores belong to it.
    "miniseg-472k-budget": Architecture(channels=(16, 48, 96, 168)),
}


def preset_name(architecture: Architecture) -> str:
    """Name of the preset with this shape (whatever its classes and input channels), or "custom"."""
    for name, preset in PRESETS.items():
        if (preset.channels, preset.depths, preset.long_depths) == (
            architecture.channels,
            architecture.depths,
            architecture.long_depths,
        ):
            return name
    return "custom"
