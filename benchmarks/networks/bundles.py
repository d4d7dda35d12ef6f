"""Bundles of the networks to compare: each made by `miniseg-export` in a separate process, as by a user."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.benchmarks.report import Failure
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import DONE
from miniseg_edge.errors import MissingDependencyError, UsageError
from miniseg_edge.host.children import python_command
from miniseg_edge.parity.comparison import DEFAULT_LIMITS, ParityLimits
from miniseg_edge.runtimes.backends.openvino import has_bf16
from miniseg_edge.slices.preprocessing import Statistics

SEED = 0
_UNTRAINED_STATISTICS = Statistics(0.5, 0.25)
_SAME_LESION = DEFAULT_LIMITS["bf16"]
_ANY_FLIPS = 10**12


@dataclass(frozen=True)
class Contender:
    """A checkpoint with its label in the report, and its classes."""

    label: str
    checkpoint: Path
    trained: bool
    classes: int = 2


@dataclass(frozen=True)
class ExportPlan:
    """How all of them are exported.

    Attributes:
        targets: of `miniseg-export`.
        size: (height, width) of the networks' input.
        slices: what parity is judged on, or None for phantoms; labels: of trained networks, or None.
    """

    targets: tuple[str, ...]
    size: tuple[int, int]
    slices: Path | None
    labels: Path | None

    def arguments(self, one: Contender, output: Path) -> list[str]:
        """Of `miniseg-export`: FP32, and BF16 where this CPU has it.

        FP32 must give the same lesion, as BF16 must, not the same pixels: runtimes' normalisation layers differ from
        torch's by more than rounding, which is not a network's fault; flips are in the report. Random weights segment
        no lesion, and have no limits.
        """
        limits = _SAME_LESION if one.trained else ParityLimits()
        found = [str(one.checkpoint), "--output", str(output), "--input-size", *map(str, self.size)]
        bf16 = ["--precision", "bf16"] if "openvino" in self.targets and has_bf16() else []
        found += ["--precision", "fp32", *bf16]
        for target in self.targets:
            found += ["--target", target]
        for name in ("min_dice_mean", "min_dice_worst", "tiny_lesion", "max_tiny_changes"):
            found += [f"--{name.replace('_', '-')}", str(getattr(limits, name))]
        found += ["--max-real-flips", str(_ANY_FLIPS)]
        labels = self.labels if one.trained else None
        for option, folder in (("--validation", self.slices), ("--labels", labels)):
            found += [option, str(folder)] if folder is not None else []
        return found


def contenders(
    checkpoints: Sequence[Path], networks: Sequence[str], folder: Path
) -> tuple[list[Contender], list[Failure]]:
    """The checkpoints, and the networks with random weights, which are written to `folder`.

    Args:
        checkpoints: trained.
        networks: registered names; with neither, all registered networks whose package is installed.
        folder: for checkpoints with random weights.

    Raises:
        CheckpointError and its subclasses: a checkpoint cannot be read.
        UsageError: two have the same label, or a name is not registered.
        MissingDependencyError: a requested network needs a package that is not installed.
    """
    from miniseg_edge.training.checkpoint import checkpoint_from_file
    from miniseg_edge.training.networks.registry import network_names

    found = [
        Contender(label, path, trained=True, classes=checkpoint_from_file(path).identity.classes)
        for label, path in zip(_labels(checkpoints), checkpoints, strict=True)
    ]
    failures = []
    for name in networks or (() if checkpoints else network_names()):
        path = folder / f"{name}.pth"
        try:
            _save_untrained(name, path)
        except MissingDependencyError as error:
            if networks:
                raise
            failures.append(Failure(name, str(error)))
            continue
        found.append(Contender(name, path, trained=False))
    labels = [one.label for one in found]
    if len(set(labels)) != len(labels):
        raise UsageError(
            "two networks have the same name", expected="file stems and names that differ", got=", ".join(labels)
        )
    return found, failures


def _labels(checkpoints: Sequence[Path]) -> list[str]:
    """File stems; where all have the same one, as trainings write them, what sets their folders apart."""
    parts = [path.resolve().with_suffix("").parts for path in checkpoints]
    if len(parts) > 1 and len({one[-1] for one in parts}) == 1:
        parts = [one[:-1] for one in parts]
    found = [[" ".join(one[-depth:]) for one in parts] for depth in (1, 2, 3)]
    return next((labels for labels in found if len(set(labels)) == len(labels)), found[0])


def _save_untrained(name: str, path: Path) -> None:
    import torch

    from miniseg_edge.training.checkpoint import save_checkpoint
    from miniseg_edge.training.networks.registry import build_network

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        save_checkpoint(build_network(name), _UNTRAINED_STATISTICS, path)


def exported(one: Contender, plan: ExportPlan, output: Path) -> tuple[Bundle | None, list[Failure]]:
    """Its bundle, with the artefacts that passed parity, or None if none did; the others become failures."""
    with terminal.step(f"exporting {one.label}"):
        done = subprocess.run(  # noqa: S603  our own command
            python_command("miniseg_edge.export.command", *plan.arguments(one, output)),
            capture_output=True, text=True, check=False, encoding="utf-8", errors="replace",
        )  # fmt: skip
    failures = [] if done.returncode == DONE else [Failure(f"the export of {one.label}", _last_line(done.stderr))]
    return (open_bundle(output) if output.exists() else None), failures


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
