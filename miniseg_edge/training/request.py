"""The request for a training. Importable without torch, so that a command can check its arguments first."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from miniseg_edge.bundle.recipe import Recipe
from miniseg_edge.errors import UsageError
from miniseg_edge.slices.preprocessing import DEFAULT_WINDOW, Window
from miniseg_edge.studies.labels.mapping import LabelMapping

Selecting = Literal["last", "best"]
HELD_OUT_PARTS = 5
"""By default one fifth of the groups is held out."""


@dataclass(frozen=True)
class LabelledFolder:
    """Images or studies, and their masks."""

    images: Path
    masks: Path


@dataclass(frozen=True)
class TrainingRequest:
    """Arguments of a training.

    Attributes:
        data: the labelled slices.
        output: folder; an interrupted training there resumes.
        network: preset or registered name of a new network; an initial checkpoint determines its own.
        initial: checkpoint to start from.
        folds: number of trainings, each holding out another part; None: one, which holds out a fifth.
        validation: slices to validate on, instead of holding any out.
        on_all: train on everything, without validation.
        recipe, seed: see `Trainer`.
        selecting: which epoch's weights to keep.
        window: for studies in HU.
        mapping: of label values.
        separate_channels: see `miniseg_edge.studies.labels.folders.SEPARATE_CHANNELS`.
        group_pattern: see `labelled_cases`.
        device: "auto" is CUDA if available.
        overwrite: whether another training in the output may be replaced.

    Raises:
        UsageError: arguments that contradict each other.
    """

    data: LabelledFolder
    output: Path
    network: str = "miniseg-83k"
    initial: Path | None = None
    folds: int | None = None
    validation: LabelledFolder | None = None
    on_all: bool = False
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0
    selecting: Selecting = "last"
    window: Window = DEFAULT_WINDOW
    mapping: LabelMapping = field(default_factory=LabelMapping)
    separate_channels: bool = False
    group_pattern: str | None = None
    device: str = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        ways = (self.folds is not None, self.validation is not None, self.on_all)
        if sum(ways) > 1:
            raise UsageError(
                "the validation set is ambiguous", expected="one of --folds, --validation and --on-all", got="several"
            )
        if self.on_all and self.selecting == "best":
            raise UsageError(
                "there are no slices to select on", expected="held-out slices", got="--on-all with --select best"
            )
        if self.seed < 0:
            raise UsageError("the seed is invalid", expected="0 or more", got=str(self.seed))
