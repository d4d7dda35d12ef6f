"""`miniseg-evaluate`: scores a checkpoint or a bundle against labels, as published and corrected."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.benchmarks.evaluation.report import EvaluationReport, Mean
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.errors import OutputExistsError, UsageError
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.host.files import replace_file
from miniseg_edge.runtimes.backends.registry import AUTO
from miniseg_edge.runtimes.options import add_runtime
from miniseg_edge.slices.images import write_png
from miniseg_edge.slices.preprocessing import DEFAULT_WINDOW, Statistics, Window
from miniseg_edge.studies.labels.folders import labelled_cases
from miniseg_edge.studies.labels.mapping import LabelMapping

REPORT_NAME, PICTURE_NAME = "evaluation.json", "extremes.png"
_SHOWN_ROWS = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error, 2 usage."""
    return run(_parser(), arguments, _evaluate)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="miniseg-evaluate",
        description="Scores a bundle or a checkpoint on labelled slices: mIoU, sensitivity, specificity, Dice and "
        "Hausdorff distance as the paper's scorer has them, and corrected for empty masks.",
        answers=True,
        examples=(
            "miniseg-evaluate bundle --images slices/ --masks masks/ --output evaluation",
            "miniseg-evaluate model.pth --images slices/ --masks masks/ --mean 0.45 --std 0.25",
        ),
    )
    parser.add_argument("subject", type=Path, help="a bundle, or a .pth checkpoint")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="PNG, JPEG, NIfTI, folders of DICOM")
    parser.add_argument(
        "--masks", type=Path, required=True, metavar="DIR", help="of the same names; PNG, NIfTI, DICOM SEG"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help=f"where {REPORT_NAME} and {PICTURE_NAME} go")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing report")
    parser.add_argument(
        "--label", action="append", default=[], metavar="VALUE=CLASS", help="meaning of a stored label; repeatable"
    )
    add_runtime(parser)
    parser.add_argument("--precision", default=AUTO, help="of a bundle's artefact")
    parser.add_argument("--device", default=AUTO, help="of a bundle's runtime")
    parser.add_argument("--mean", type=float, help="of a checkpoint that does not contain it")
    parser.add_argument("--std", type=float, help="of a checkpoint that does not contain it")
    parser.add_argument(
        "--size", type=int, metavar="PX", help="input size of a checkpoint; default: of its training, or 512"
    )
    parser.add_argument("--window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="of HU, for a checkpoint")
    return parser


def _evaluate(parsed: argparse.Namespace) -> None:
    if (parsed.mean is None) != (parsed.std is None):
        raise UsageError(
            "the normalisation needs a mean and a std", expected="--mean and --std together", got="one of them"
        )
    _check_output(parsed.output, overwrite=parsed.overwrite)
    check_installed(("scipy",), "bench")
    from miniseg_edge.benchmarks.evaluation.evaluate import evaluated
    from miniseg_edge.benchmarks.evaluation.evaluated import Running, opened_subject
    from miniseg_edge.benchmarks.evaluation.picture import extremes

    running = Running(
        parsed.runtime,
        parsed.precision,
        parsed.device,
        None if parsed.mean is None else Statistics(parsed.mean, parsed.std),
        None if parsed.size is None else (parsed.size, parsed.size),
        None if parsed.window is None else Window(*parsed.window),
    )
    with opened_subject(parsed.subject, running) as subject:
        terminal.say(f"evaluating {subject.name}")
        mapping = LabelMapping.from_words(parsed.label)
        cases = labelled_cases(parsed.images, parsed.masks, mapping, separate_channels=subject.separate_channels)
        report = evaluated(subject, cases)
        _show(report)
        terminal.answer(report)
        if parsed.output is not None:
            replace_file(parsed.output / REPORT_NAME, json_from_record(report).encode())
            picture = extremes(report, subject, cases, running.window or DEFAULT_WINDOW)
            write_png(parsed.output / PICTURE_NAME, picture)
            terminal.say(f"{REPORT_NAME} and {PICTURE_NAME} in {parsed.output}", "good")


def _check_output(output: Path | None, *, overwrite: bool) -> None:
    if output is None or overwrite:
        return
    for name in (REPORT_NAME, PICTURE_NAME):
        if (output / name).exists():
            raise OutputExistsError(
                f"{output / name} exists", expected="a new file", remedy="Choose another --output or add --overwrite."
            )


def _show(report: EvaluationReport) -> None:
    for volume in report.volumes[:_SHOWN_ROWS]:
        terminal.say(
            f"{volume.name}: {volume.slices} slices, Dice {volume.corrected.dice:.4f}, "
            f"{volume.drawn_ml:.1f} ml drawn, {volume.labelled_ml:.1f} ml labelled, "
            f"HD95 {_figure(volume.corrected.hausdorff_95, 1)} mm"
        )
    rows = [
        (one.name, f"{one.labelled_pixels:,}", f"{one.drawn_pixels:,}", _figure(one.corrected.sensitivity),
         _figure(one.corrected.specificity), f"{one.corrected.dice:.4f}", _figure(one.corrected.hausdorff, 1),
         _figure(one.corrected.hausdorff_95, 1))
        for one in sorted(report.slices, key=lambda one: one.corrected.dice)
    ]  # fmt: skip
    columns = ("slice", "labelled px", "drawn px", "SEN", "SPC", "Dice", "HD px", "HD95 px")
    terminal.table("Slices, the worst first", columns, rows[:_SHOWN_ROWS])
    if len(rows) > _SHOWN_ROWS:
        terminal.say(f"... and {len(rows) - _SHOWN_ROWS} more")
    means, old = report.corrected, report.published
    terminal.table(
        f"{len(report.slices)} slices, {report.subject}",
        ("score", "as published", "corrected", "left out"),
        (
            ("mIoU", f"{report.mean_iou:.4f}", f"{report.mean_iou:.4f}", "0"),
            ("SEN", f"{old.sensitivity:.4f}", *_cells(means.sensitivity)),
            ("SPC", f"{old.specificity:.4f}", *_cells(means.specificity)),
            ("Dice", f"{old.dice:.4f}", *_cells(means.dice)),
            ("HD px", f"{old.hausdorff_px:.2f}", *_cells(means.hausdorff, 2)),
            ("HD95 px", "-", *_cells(means.hausdorff_95, 2)),
        ),
    )


def _cells(mean: Mean, digits: int = 4) -> tuple[str, str]:
    return _figure(mean.mean, digits), str(mean.left_out)


def _figure(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    raise SystemExit(main())
