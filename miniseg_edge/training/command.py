"""`miniseg-train`: labelled slices in, checkpoints with their statistics and history out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.architecture import PRESETS
from miniseg_edge.bundle.recipe import LARGE_CROP_PX, SMALL_CROP_PX, Pass, Recipe
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.errors import UsageError
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.slices.preprocessing import DEFAULT_WINDOW, Window
from miniseg_edge.studies.labels.mapping import LabelMapping
from miniseg_edge.training.request import LabelledFolder, TrainingRequest


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error, 2 usage, 130 interrupted (the same command resumes)."""
    return run(_parser(), arguments, _train)


def _parser() -> argparse.ArgumentParser:
    recipe = Recipe()
    parser = Parser(
        prog="miniseg-train",
        description="Trains MiniSeg on labelled slices with the paper's recipe. The same command resumes a "
        "stopped training.",
        epilog="Held-out slices are validated on after each epoch; --select best keeps the epoch that does best there, "
        "as the published scores did, and then these scores are optimistic.",
        examples=(
            "miniseg-train --images slices/ --masks masks/ --output training",
            "miniseg-train --images slices/ --masks masks/ --output training --folds 5 --group-by '^(p[0-9]+)_'",
        ),
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="PNG, JPEG, NIfTI, folders of DICOM")
    parser.add_argument(
        "--masks", type=Path, required=True, metavar="DIR", help="of the same names; PNG, NIfTI, DICOM SEG"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--init", type=Path, metavar="CHECKPOINT", help="initial weights")
    parser.add_argument(
        "--preset",
        "--network",
        dest="network",
        default="miniseg-83k",
        metavar="NAME",
        help=f"{', '.join(PRESETS)}, or a registered network (default: %(default)s)",
    )
    parser.add_argument("--folds", type=int, metavar="N", help="N trainings, each holding out another part")
    parser.add_argument(
        "--validation", type=Path, metavar="DIR", help="held-out images; default: one fifth of --images"
    )
    parser.add_argument("--validation-masks", type=Path, metavar="DIR", help="their masks")
    parser.add_argument("--on-all", action="store_true", help="train on all slices, without validation")
    parser.add_argument(
        "--select", choices=("last", "best"), default="last", help="which epoch to keep (default: last)"
    )
    parser.add_argument("--epochs", type=int, default=recipe.epochs, metavar="N", help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=recipe.batch_size, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--learning-rate", type=float, default=recipe.learning_rate, metavar="R", help="default: %(default)s"
    )
    parser.add_argument(
        "--size", type=int, default=recipe.size, metavar="PX", help="side at scale 1 (default: %(default)s)"
    )
    parser.add_argument(
        "--scales",
        type=float,
        nargs="+",
        default=[one.scale for one in recipe.passes],
        metavar="S",
        help="one pass per epoch each (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument("--device", default="auto", help='"auto", "cpu", "cuda"; default: CUDA where there is one')
    parser.add_argument(
        "--window",
        type=float,
        nargs=2,
        default=(DEFAULT_WINDOW.low_hu, DEFAULT_WINDOW.high_hu),
        metavar=("LOW", "HIGH"),
        help="of HU (default: %(default)s)",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="VALUE=CLASS",
        help='what a stored label stands for; CLASS 0, 1, ... or "ignore"; repeatable; default: all above 0 is lesion',
    )
    parser.add_argument(
        "--separate-channels",
        action="store_true",
        help="colours of an image, or a slice with its neighbours, as different channels",
    )
    parser.add_argument(
        "--group-by", metavar="REGEX", help="patients by name: cases of one group stay together, such as '^(p[0-9]+)_'"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another training in --output")
    return parser


def _train(parsed: argparse.Namespace) -> None:
    request = _request(parsed)
    check_installed(("torch", "safetensors", "rich", "matplotlib"), "train")
    from miniseg_edge.training.cross_validation import train

    train(request)


def _request(parsed: argparse.Namespace) -> TrainingRequest:
    if (parsed.validation is None) != (parsed.validation_masks is None):
        raise UsageError(
            "a validation set needs slices and masks",
            expected="--validation and --validation-masks together",
            got="one of them",
        )
    return TrainingRequest(
        data=LabelledFolder(parsed.images, parsed.masks),
        output=parsed.output,
        network=parsed.network,
        initial=parsed.init,
        folds=parsed.folds,
        validation=None if parsed.validation is None else LabelledFolder(parsed.validation, parsed.validation_masks),
        on_all=parsed.on_all,
        recipe=Recipe(
            size=parsed.size,
            passes=tuple(_pass(scale, parsed.size) for scale in parsed.scales),
            epochs=parsed.epochs,
            batch_size=parsed.batch_size,
            learning_rate=parsed.learning_rate,
        ),
        seed=parsed.seed,
        selecting=parsed.select,
        window=Window(*parsed.window),
        mapping=LabelMapping.from_words(parsed.label),
        separate_channels=parsed.separate_channels,
        group_pattern=parsed.group_by,
        device=parsed.device,
        overwrite=parsed.overwrite,
    )


def _pass(scale: float, size: int) -> Pass:
    """The paper's crops, scaled for other sizes."""
    crop = LARGE_CROP_PX if scale > 1 else SMALL_CROP_PX
    return Pass(scale, round(crop * size / Recipe().size))


if __name__ == "__main__":
    raise SystemExit(main())
