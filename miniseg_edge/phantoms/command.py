"""`python -m miniseg_edge.phantoms DIR`: phantoms and their masks as PNG."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from miniseg_edge.console.commands import Parser
from miniseg_edge.errors import OutputError
from miniseg_edge.host.files import replace_file
from miniseg_edge.host.opencv import cv2
from miniseg_edge.phantoms.phantom import phantom
from miniseg_edge.slices.preprocessing import ByteArray


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m miniseg_edge.phantoms DIR`: writes DIR/images/NAME.png and DIR/masks/NAME.png (0 or 255)."""
    parser = Parser(prog="python -m miniseg_edge.phantoms", description="Generates chest-CT-like slices with lesions.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="gets images/NAME.png and masks/NAME.png")
    parser.add_argument("--count", metavar="N", type=int, default=16, help="how many (default: 16)")
    parser.add_argument("--first-seed", metavar="S", type=int, default=0, help="the first one's (default: 0)")
    options = parser.parse_args(arguments)
    write_phantoms(options.folder, range(options.first_seed, options.first_seed + options.count))


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
