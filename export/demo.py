"""`miniseg-demo`: the main job from end to end on phantoms, with the commands that anybody would type."""

import argparse
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from miniseg_edge import phantoms, terminal, training
from miniseg_edge.commands import DONE, exit_code_of
from miniseg_edge.errors import ExportError
from miniseg_edge.export import command as export_command
from miniseg_edge.images import image_paths, label_from_file, overlay, slice_from_file, write_png
from miniseg_edge.metrics import dice
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.runtimes import segment_command, verify_command

CHECKPOINT = Path(training.__file__).with_name("demo.pth")
RUNTIMES = ("onnxruntime", "openvino")
_SLICES = 6
_FIRST_SEED = 9100


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error, 2 usage."""
    parser = argparse.ArgumentParser(prog="miniseg-demo", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), metavar="DIR", help="default: %(default)s")
    parsed = parser.parse_args(arguments)
    return exit_code_of(lambda: _demonstrate(parsed.output))


def _demonstrate(output: Path) -> None:
    slices, bundle = output / "slices", output / "bundle"
    terminal.say(f"$ python -m miniseg_edge.phantoms {slices} --count {_SLICES} --first-seed {_FIRST_SEED}", "good")
    phantoms.main([str(slices), "--count", str(_SLICES), "--first-seed", str(_FIRST_SEED)])
    targets = ("--target", "onnx", "--target", "openvino")
    _run(export_command.main, "miniseg-export", CHECKPOINT, *targets, "--output", bundle, "--overwrite")
    _run(verify_command.main, "miniseg-verify", bundle)
    for runtime in RUNTIMES:
        destination = ("--output", output / runtime, "--runtime", runtime, "--overwrite")
        _run(segment_command.main, "miniseg-segment", bundle, slices / "images", *destination)
    names = [path.name for path in image_paths(slices / "images")]
    _show(output, names)
    write_png(output / "overview.png", _overview(output, names))
    terminal.say(f"\nLook at {output / 'overview.png'}: slice, true lesion, {', '.join(RUNTIMES)}", "good")


def _run(command: Callable[[Sequence[str]], int], name: str, *arguments: object) -> None:
    words = [str(argument) for argument in arguments]
    terminal.say(f"\n$ {shlex.join([name, *words])}", "good")
    code = command(words)
    if code != DONE:
        raise ExportError(f"{name} failed", "exit code 0", str(code))


def _show(output: Path, names: list[str]) -> None:
    rows = []
    for name in names:
        truth = label_from_file(output / "slices" / "masks" / name, 2)
        masks = [label_from_file(output / runtime / name, 2) for runtime in RUNTIMES]
        rows.append((
            Path(name).stem,
            *(f"{int(mask.sum()):,}" for mask in masks),
            str(int((masks[0] != masks[1]).sum())),
            f"{dice(masks[0], truth):.3f}",
        ))  # fmt: skip
    columns = ("slice", *(f"{runtime} px" for runtime in RUNTIMES), "differing px", "Dice with truth")
    terminal.table("One lesion, two runtimes", columns, rows)


def _overview(output: Path, names: list[str]) -> ByteArray:
    """A row a slice: the slice, its true lesion, and each runtime's mask."""
    rows = []
    for name in names[:3]:
        grey = slice_from_file(output / "slices" / "images" / name)
        masks = [output / "slices" / "masks" / name, *(output / runtime / name for runtime in RUNTIMES)]
        shown = [overlay(grey, np.zeros_like(grey)), *(overlay(grey, label_from_file(mask, 2)) for mask in masks)]
        rows.append(np.concatenate(shown, axis=1))
    return np.concatenate([_captions(rows[0].shape[1]), *rows], axis=0)


def _captions(width: int) -> ByteArray:
    """A strip above the pictures that says what each column shows."""
    from miniseg_edge.opencv import cv2

    strip = np.zeros((56, width, 3), np.uint8)
    names = ("slice", "true lesion", *RUNTIMES)
    for index, name in enumerate(names):
        left = index * width // len(names) + 16
        cv2.putText(strip, name, (left, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (255, 255, 255), 2, cv2.LINE_AA)
    return strip
