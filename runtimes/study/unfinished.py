"""An unfinished study: the masks so far, kept next to the future results, for `--resume`.

One file, so that a kill leaves the previous or the new content: a line of JSON, then the compressed masks.
"""

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.errors import IntegrityError, UsageError
from miniseg_edge.host.files import replace_file, sha256_of
from miniseg_edge.slices.preprocessing import ByteArray

KEPT = "unfinished.gz"
MAX_RECORD_BYTES = 64 * 2**20
UNFINISHED_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Drawing:
    """What segments which study: masks made by one are never completed by another.

    Attributes:
        bundle_digest, runtime, device, precision: as in a `Segmentation`.
        slices: in the study.
        size: (H, W).
    """

    bundle_digest: str
    runtime: str
    device: str
    precision: str
    slices: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Unfinished:
    """The line before the masks: what made them, the SHA-256 of each finished slice, and of the masks."""

    schema_version: int
    drawing: Drawing
    input_sha256: tuple[str, ...]
    mask_sha256: str


@dataclass(frozen=True, eq=False)
class Done:
    """The finished slices: masks (N, H, W) uint8, and the SHA-256 of the input."""

    mask: ByteArray
    input_sha256: tuple[str, ...]


def keep(folder: Path, drawing: Drawing, done: Done) -> None:
    """Saves finished slices. Raises: OutputError; then nothing is saved, or the previous content remains."""
    masks = done.mask.tobytes()
    record = Unfinished(UNFINISHED_SCHEMA_VERSION, drawing, done.input_sha256, sha256_of(masks))
    line = json_from_record(record).replace("\n", "").encode()  # in a JSON string a line break is escaped
    replace_file(folder / KEPT, gzip.compress(line + b"\n" + masks, compresslevel=1, mtime=0))


def kept(folder: Path, drawing: Drawing) -> Done:
    """The slices saved with the same settings.

    Raises:
        UsageError: there are none, or the settings differ.
        IntegrityError: the masks are not those that were saved.
    """
    path = folder / KEPT
    if not path.is_file():
        raise UsageError(f"{folder} contains nothing to resume", expected=KEPT, got="none", remedy="Omit --resume.")
    line, masks = _parts(path, drawing.slices * drawing.size[0] * drawing.size[1])
    record = record_from_object(Unfinished, object_from_json(line, KEPT, IntegrityError), KEPT, IntegrityError)
    if record.drawing != drawing:
        raise UsageError(
            "the kept masks were made with other settings", expected=str(record.drawing), got=str(drawing),
            remedy="Resume with the same study, bundle, runtime, device and precision, or omit --resume.",
        )  # fmt: skip
    shape = (len(record.input_sha256), *drawing.size)
    if len(masks) != math.prod(shape) or sha256_of(masks) != record.mask_sha256:
        raise IntegrityError(
            f"{KEPT} was changed", expected=f"SHA-256 {record.mask_sha256}", got="another", remedy="Omit --resume."
        )
    return Done(np.frombuffer(masks, np.uint8).reshape(shape), record.input_sha256)


def forget(folder: Path) -> None:
    """Removes what was kept."""
    (folder / KEPT).unlink(missing_ok=True)


def _parts(path: Path, limit: int) -> tuple[bytes, bytes]:
    """The line and the masks; if there are more than the whole study's, one byte too many, which no record fits."""
    try:
        with gzip.open(path) as file:
            return file.readline(MAX_RECORD_BYTES), file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise IntegrityError(
            f"{path.name} cannot be read", expected="what was kept", because=type(error).__name__
        ) from error
