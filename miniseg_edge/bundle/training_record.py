"""A checkpoint's training record: enough to trace a mask back to it, without names or images of patients."""

from dataclasses import dataclass

from miniseg_edge.bundle.recipe import Recipe
from miniseg_edge.slices.preprocessing import Window

TRAINING_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Slices:
    """A set of labelled slices.

    Attributes:
        count: slices.
        groups: number of patients, as far as the names reveal it.
        sha256: of the slices' own hashes in sorted order, hex; a slice's covers its pixels and its label.
    """

    count: int
    groups: int
    sha256: str


@dataclass(frozen=True)
class InitialWeights:
    """The checkpoint that a training started from: its file name and SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Selection:
    """Which epoch's weights these are.

    Attributes:
        epoch: from 1.
        rule: "last", or "best": of the highest mIoU on the held-out slices, whose scores are then optimistic.
        loss: the epoch's.
        mean_iou, dice: on the held-out slices, 0..1; None without any.
    """

    epoch: int
    rule: str
    loss: float
    mean_iou: float | None
    dice: float | None


@dataclass(frozen=True)
class TrainingRecord:
    """One training.

    Attributes:
        schema_version: of this record.
        network: preset or registered name.
        seed: of initial weights, order, augmentation and dropout.
        recipe: the figures.
        initial: the initial checkpoint; None for random weights.
        window: through which HU became grey; None for images.
        separate_channels: whether channels differ.
        labels: (stored value, class) as given; empty if every value above 0 is lesion.
        training, held_out: the slices; no held-out ones in a training on all.
        selection: which epoch was kept.
        device: "cpu", "cuda".
        duration_s: of training and validation.
        tools: versions.
    """

    schema_version: int
    network: str
    seed: int
    recipe: Recipe
    initial: InitialWeights | None
    window: Window | None
    separate_channels: bool
    labels: tuple[tuple[int, int], ...]
    training: Slices
    held_out: Slices | None
    selection: Selection
    device: str
    duration_s: float
    tools: dict[str, str]
