"""`miniseg-demo`: the whole workflow on phantoms, with the commands that a user would type."""

import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge import phantoms, training
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import DONE, Parser, run
from miniseg_edge.errors import ExportError
from miniseg_edge.export import command as export_command
from miniseg_edge.export.demo_words import ANNOUNCEMENT, TERMS, Agreement, fastest, identical, where_to_look
from miniseg_edge.measuring.speed import CONFIDENCE, speed
from miniseg_edge.parity.metrics import dice
from miniseg_edge.runtimes import segment_command
from miniseg_edge.runtimes.backends.registry import entry_named
from miniseg_edge.runtimes.verification import command as verify_command
from miniseg_edge.slices.images import image_paths, label_from_file, overlay, slice_from_file, write_png
from miniseg_edge.slices.preprocessing import ByteArray

CHECKPOINT = Path(training.__file__).with_name("demo.pth")
PLAN = Path(__file__).with_name("demo_plan.json")
"""The result of a search on the demo checkpoint, so that the demo needs none."""

_SLICES, _FIRST_SEED = 6, 9100
_CALIBRATION_SLICES, _CALIBRATION_SEED = 24, 300


@dataclass(frozen=True)
class Shown:
    """A column of the table and of the picture: an artefact on its runtime."""

    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"

    @property
    def short(self) -> str:
        """For tables that fit 80 columns."""
        return f"{_SHORT.get(self.runtime, self.runtime)} {self.precision}"


_SHORT = {"onnxruntime": "ort", "openvino": "ov"}

SHOWN = (Shown("native", "fp32"), Shown("openvino", "fp32"), Shown("onnxruntime", "fp32"), Shown("openvino", "int8"))
"""The others are compared with the first; the last is INT8."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error, 2 usage."""
    parser = Parser(
        prog="miniseg-demo",
        description="Runs the main job from end to end on synthetic slices: export, verify, segment, compare.",
        examples=("miniseg-demo", "miniseg-demo --output /tmp/demo"),
    )
    parser.add_argument("--output", type=Path, default=Path("build/demo"), metavar="DIR", help="default: %(default)s")
    return run(parser, arguments, lambda parsed: _demonstrate(parsed.output))


def _demonstrate(output: Path) -> None:
    slices, calibration, bundle = output / "slices", output / "calibration", output / "bundle"
    terminal.hanging("", ANNOUNCEMENT, "title")
    for term, meaning in TERMS:
        terminal.hanging(f"  {term:10}", meaning)
    terminal.say("")
    _draw(slices, _SLICES, _FIRST_SEED)
    _draw(calibration, _CALIBRATION_SLICES, _CALIBRATION_SEED)
    targets = ("--target", "native", "--target", "openvino", "--target", "onnx")
    int8 = ("--calibration", calibration / "images", "--quantization", PLAN)
    precisions = ("--precision", "fp32", "--precision", "int8", *int8)
    written = ("--output", bundle, "--overwrite")
    _run(export_command.main, "miniseg-export", CHECKPOINT, *targets, *precisions, *written)
    _run(verify_command.main, "miniseg-verify", bundle)
    for shown in SHOWN:
        runs = ("--runtime", shown.runtime, "--precision", shown.precision)
        destination = ("--output", _folder(output, shown), "--overwrite")
        _run(segment_command.main, "miniseg-segment", bundle, slices / "images", *runs, *destination)
    names = [path.name for path in image_paths(slices / "images")]
    agreements, pixels = _show(output, names)
    picture = output / "overview.png"
    write_png(picture, _overview(output, names))
    turns = _show_speed(bundle)
    terminal.say("")
    for sentence in (
        identical(str(SHOWN[0]), agreements, len(names), pixels),
        fastest(turns),
        where_to_look(picture, [str(shown) for shown in SHOWN], bundle),
    ):
        terminal.hanging("", sentence, "good")


def _draw(folder: Path, count: int, first_seed: int) -> None:
    terminal.say(f"$ python -m miniseg_edge.phantoms {folder} --count {count} --first-seed {first_seed}", "good")
    phantoms.main([str(folder), "--count", str(count), "--first-seed", str(first_seed)])


def _folder(output: Path, shown: Shown) -> Path:
    return output / f"{shown.runtime}-{shown.precision}"


def _run(command: Callable[[Sequence[str]], int], name: str, *arguments: object) -> None:
    words = [str(argument) for argument in arguments]
    terminal.say("")
    terminal.say(f"$ {shlex.join([name, *words])}", "good")
    code = command(words)
    if code != DONE:
        raise ExportError(f"{name} failed", expected="exit code 0", got=str(code))


def _show(output: Path, names: list[str]) -> tuple[list[Agreement], int]:
    """The table of all slices; how far each artefact agrees with the first, and how many pixels were compared."""
    rows, pixels = [], 0
    changed, overlaps = [0 for _ in SHOWN], [1.0 for _ in SHOWN]
    for name in names:
        truth = label_from_file(output / "slices" / "masks" / name, 2)
        masks = [label_from_file(_folder(output, shown) / name, 2) for shown in SHOWN]
        pixels += masks[0].size
        for index, mask in enumerate(masks):
            changed[index] += int((mask != masks[0]).sum())
            overlaps[index] = min(overlaps[index], dice(mask, masks[0]))
        rows.append((
            Path(name).stem,
            f"{int(masks[0].sum()):,}",
            *(str(int((mask != masks[0]).sum())) for mask in masks[1:]),
            f"{dice(masks[0], truth):.3f}",
            f"{dice(masks[-1], masks[0]):.4f}",
        ))  # fmt: skip
    columns = ("slice", SHOWN[0].short, *(f"{s.short} Δ" for s in SHOWN[1:]), "Dice", "int8 Dice")
    terminal.table("One lesion, three runtimes, two precisions", columns, rows)
    terminal.say(f"Lesion pixels; Δ: pixels that differ from {SHOWN[0]}")
    terminal.say(f"Dice: of {SHOWN[0]} with the true lesion; of {SHOWN[-1]} with {SHOWN[0]}")
    found = zip(SHOWN, changed, overlaps, strict=True)
    return [Agreement(str(one), count, worst) for one, count, worst in found][1:], pixels


def _show_speed(bundle_path: Path) -> dict[str, tuple[float, ...]]:
    """Inference alone, measured here in turns: a table, and the first of `SHOWN` beside each of the others; ms."""
    from miniseg_edge.export.choosing.turns import Round, candidate_of_bundle, latencies, measured  # which need torch

    def undecided(rounds: Sequence[Round]) -> bool:
        first, *others = latencies(rounds).values()
        return any(speed(other, first).within_noise for other in others)

    bundle = open_bundle(bundle_path)
    with tempfile.TemporaryDirectory(prefix="miniseg-demo-") as folder:
        candidates = []
        for shown in SHOWN:
            artifact = bundle.manifest.artifact(entry_named(shown.runtime).target, shown.precision)
            assert artifact is not None, "it was exported"  # noqa: S101
            candidates.append(candidate_of_bundle(bundle, artifact, Path(folder) / str(shown)))
        turns = latencies(measured(candidates, f"{len(candidates)} artefacts", undecided))
    rows = [(name, f"{np.median(ms):.2f}", f"{min(ms):.2f}..{max(ms):.2f}") for name, ms in turns.items()]
    terminal.say("")
    terminal.table("Inference of a slice on this machine", ("", "p50 ms", "turns"), rows)
    first, *others = turns
    for other in others:
        terminal.say(speed_in_words(first, turns[first], other, turns[other]))
    terminal.say(f"In turns; in brackets the {CONFIDENCE:.1%} interval")
    return turns


def speed_in_words(name: str, own_ms: Sequence[float], other: str, other_ms: Sequence[float]) -> str:
    """A sentence on which of two is faster, from their times round by round."""
    found, reverse = speed(other_ms, own_ms), speed(own_ms, other_ms)
    if found.faster:
        return f"{name} is {found} times as fast as {other}"
    if reverse.faster:
        return f"{other} is {reverse} times as fast as {name}"
    return f"{name} and {other} differ by no more than noise: {found} times as fast"


def _overview(output: Path, names: list[str]) -> ByteArray:
    """One row per slice: the slice, its true lesion, and each artefact's mask."""
    rows = []
    for name in names:
        grey = slice_from_file(output / "slices" / "images" / name)
        masks = [output / "slices" / "masks" / name, *(_folder(output, shown) / name for shown in SHOWN)]
        pictures = [overlay(grey, np.zeros_like(grey)), *(overlay(grey, label_from_file(mask, 2)) for mask in masks)]
        rows.append(np.concatenate(pictures, axis=1))
    return np.concatenate([_captions(rows[0].shape[1]), *rows], axis=0)


def _captions(width: int) -> ByteArray:
    """A strip above the pictures with a title for each column."""
    from miniseg_edge.host.opencv import cv2

    strip = np.zeros((56, width, 3), np.uint8)
    names = ("slice", "true lesion", *map(str, SHOWN))
    for index, name in enumerate(names):
        left = index * width // len(names) + 16
        cv2.putText(strip, name, (left, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (255, 255, 255), 2, cv2.LINE_AA)
    return strip
