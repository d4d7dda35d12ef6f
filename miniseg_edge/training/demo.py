"""`python -m miniseg_edge.training.demo --output DIR`: generates phantoms, and trains the demo checkpoint on them.

The demo checkpoint lets users try export and inference without patient data and without the published weights. It has
only seen phantoms, and says nothing about a real chest.
"""

from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.bundle.recipe import Pass, Recipe
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.phantoms import write_phantoms
from miniseg_edge.training.cross_validation import train
from miniseg_edge.training.request import LabelledFolder, TrainingRequest

CHECKPOINT = Path(__file__).with_name("demo.pth")
"""The shipped demo checkpoint."""

FIRST_TRAINING_SEED = 100_000
"""Training uses phantoms from this seed on; those below are reserved for tests."""

TRAINING_PHANTOMS = 400
HELD_OUT_PHANTOMS = 16

# Twenty minutes on one CPU core: mostly smaller passes, which are cheap, and one at the final size. A short training
# tolerates a higher rate than the paper's.
RECIPE = Recipe(
    size=512,
    passes=(Pass(0.5, 8), Pass(0.75, 16), Pass(0.5, 8), Pass(1.0, 16)),
    epochs=3,
    learning_rate=3e-3,
)


def train_demo(output: Path) -> None:
    """Draws and trains; a training that was stopped resumes. Raises: as `train`."""
    data = _drawn(output / "training", FIRST_TRAINING_SEED, TRAINING_PHANTOMS)
    held_out = _drawn(output / "held-out", 0, HELD_OUT_PHANTOMS)
    request = TrainingRequest(
        data=data,
        output=output,
        validation=held_out,
        recipe=RECIPE,
        device="cpu",
    )
    train(request)


def _drawn(folder: Path, first_seed: int, count: int) -> LabelledFolder:
    write_phantoms(folder, terminal.track(range(first_seed, first_seed + count), f"drawing {folder.name} phantoms"))
    return LabelledFolder(folder / "images", folder / "masks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Generates phantoms, trains and scores; returns the exit code."""
    parser = Parser(
        prog="python -m miniseg_edge.training.demo",
        description="Trains the demo checkpoint on drawn phantoms.",
        examples=("python -m miniseg_edge.training.demo --output build/training",),
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="gets the phantoms, checkpoint.pth and its curves"
    )
    return run(parser, arguments, lambda parsed: train_demo(parsed.output))


if __name__ == "__main__":
    raise SystemExit(main())
