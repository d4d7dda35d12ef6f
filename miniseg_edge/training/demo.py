"""`python -m miniseg_edge.training.demo --output PATH`: trains the demo checkpoint on phantoms.

The demo checkpoint lets anybody try export and inference without patients' data and without the published
weights. It has seen drawings only, and says nothing about a real chest.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from miniseg_edge.commands import exit_code_of
from miniseg_edge.phantoms import Phantom, phantoms
from miniseg_edge.preprocessing import Statistics
from miniseg_edge.recipe import Pass, Recipe
from miniseg_edge.training.checkpoint import save_checkpoint
from miniseg_edge.training.network import MiniSeg
from miniseg_edge.training.prediction import scores_of
from miniseg_edge.training.samples import Sample, training_statistics
from miniseg_edge.training.trainer import Trainer

CHECKPOINT = Path(__file__).with_name("demo.pth")
"""The shipped demo checkpoint."""

FIRST_TRAINING_SEED = 100_000
"""Phantoms from here on are trained on; those below are for everybody to test with."""

TRAINING_PHANTOMS = 400
HELD_OUT_PHANTOMS = 16

# Twenty minutes on one CPU core: mostly smaller passes, which are cheap, and one at the size that the network is
# used at. A short training bears a higher rate than the paper's.
RECIPE = Recipe(
    size=512,
    passes=(Pass(0.5, 8), Pass(0.75, 16), Pass(0.5, 8), Pass(1.0, 16)),
    epochs=3,
    learning_rate=3e-3,
)

SEED = 0


def trained(recipe: Recipe, training: Sequence[Phantom], console: Console) -> tuple[MiniSeg, Statistics]:
    """Trains a new network of the published shape on phantoms; shows progress and loss on `console`."""
    samples = samples_of(training)
    statistics = training_statistics([sample.image for sample in samples])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = MiniSeg()
    trainer = Trainer(network, samples, statistics, recipe, seed=SEED)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=recipe.epochs)
        while not trainer.done:
            epoch = trainer.run_epoch()
            progress.console.print(f"epoch {epoch.number}: loss {epoch.loss:.4f}")
            progress.update(task, advance=1, description=f"loss {epoch.loss:.4f}")
    return network, statistics


def samples_of(drawn: Sequence[Phantom]) -> list[Sample]:
    """Phantoms as training sees them."""
    return [Sample(one.name, one.name, one.image, one.mask) for one in drawn]


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, saves and scores; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m miniseg_edge.training.demo",
        description="Trains the demo checkpoint on drawn phantoms.",
    )
    parser.add_argument("--output", metavar="PATH", type=Path, required=True, help="the .pth file to write")
    options = parser.parse_args(arguments)
    return exit_code_of(lambda: _run(options.output))


def _run(output: Path) -> None:
    console = Console()
    with console.status("drawing phantoms"):
        training = phantoms(TRAINING_PHANTOMS, first_seed=FIRST_TRAINING_SEED)
    network, statistics = trained(RECIPE, training, console)
    # With the auxiliary heads (1 KB), like the published checkpoints: the demonstration of the export then
    # shows that it leaves them out, and the file can be trained further.
    save_checkpoint(network, statistics, output)
    found = scores_of(network, samples_of(phantoms(HELD_OUT_PHANTOMS)), statistics, (RECIPE.size, RECIPE.size))
    table = Table("phantom", "Dice", title=f"held out: mIoU {found.mean_iou:.4f}")
    for name, value in found.dice.items():
        table.add_row(name, f"{value:.4f}")
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
