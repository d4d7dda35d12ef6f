"""`python -m miniseg_edge.phantoms DIR`: phantoms and their masks as PNG, or a CT series of them as DICOM."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from miniseg_edge.console.commands import Parser, run
from miniseg_edge.errors import OutputError, OutputExistsError
from miniseg_edge.host.files import replace_file
from miniseg_edge.host.opencv import cv2
from miniseg_edge.phantoms.phantom import phantom
from miniseg_edge.phantoms.series import write_series
from miniseg_edge.slices.preprocessing import ByteArray, Window

_WINDOW = Window(-1250.0, 250.0)
"""HU of black and white, as in the documents' exports."""


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m miniseg_edge.phantoms DIR`: writes images and masks (0 or 255) as PNG, or DICOM; the exit code."""
    parser = Parser(
        prog="python -m miniseg_edge.phantoms",
        description="Draws chest-CT-like slices with lesions.",
        examples=(
            "python -m miniseg_edge.phantoms phantoms --count 6 --first-seed 9100",
            "python -m miniseg_edge.phantoms study --count 30 --dicom",
        ),
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="gets images/NAME.png and masks/NAME.png")
    parser.add_argument("--count", metavar="N", type=int, default=16, help="how many (default: 16)")
    parser.add_argument("--first-seed", metavar="S", type=int, default=0, help="the first one's (default: 0)")
    parser.add_argument(
        "--dicom", action="store_true", help="write one CT series of DICOM files instead, without masks; needs [dicom]"
    )
    return run(parser, arguments, _write)


def _write(parsed: argparse.Namespace) -> None:
    seeds = range(parsed.first_seed, parsed.first_seed + parsed.count)
    if not parsed.dicom:
        write_phantoms(parsed.folder, seeds)
        return
    if parsed.folder.exists():
        raise OutputExistsError(f"{parsed.folder} exists", expected="a new folder for the series", got="another")
    write_series(parsed.folder, [phantom(seed).image for seed in seeds], len(seeds), _WINDOW)


def write_phantoms(folder: Path, seeds: Iterable[int]) -> None:
    """Writes images/NAME.png and masks/NAME.png (0 or 255) for each seed. Raises: OutputError."""
    for seed in seeds:
        drawn = phantom(seed)
        replace_file(folder / "images" / f"{drawn.name}.png", _png(drawn.image))
        replace_file(folder / "masks" / f"{drawn.name}.png", _png(drawn.mask * 255))


def _png(image: ByteArray) -> bytes:
    encoded, data = cv2.imencode(".png", image)
    if not encoded:
        raise OutputError("a phantom cannot be encoded", expected="OpenCV with PNG support")
    return bytes(data)
