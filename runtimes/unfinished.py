"""A study that was not finished: the masks so far, kept beside where the results would be, for `--resume`.

`unfinished.json` is written last, so that where it is the masks are whole.
"""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge.errors import IntegrityError, UsageError
from miniseg_edge.files import bytes_from_file, replace_file, sha256_of
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.records import json_from_record, object_from_json, record_from_object

RECORD, MASKS = "unfinished.json", "unfinished.mask.gz"
MAX_RECORD_BYTES = 64 * 2**20
UNFINISHED_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Drawing:
    """What draws which study: masks of one are never completed by another.

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
    """The file `unfinished.json`: what drew it, the SHA-256 of each slice that is done, and of the masks."""

    schema_version: int
    drawing: Drawing
    input_sha256: tuple[str, ...]
    mask_sha256: str


@dataclass(frozen=True, eq=False)
class Done:
    """The slices that are done: masks (N, H, W) uint8, and the SHA-256 of what was segmented."""

    mask: ByteArray
    input_sha256: tuple[str, ...]


def keep(folder: Path, drawing: Drawing, done: Done) -> None:
    """Keeps what is done. Raises: OutputError; then nothing is kept, or what was kept before."""
    data = done.mask.tobytes()
    (folder / RECORD).unlink(missing_ok=True)
    replace_file(folder / MASKS, gzip.compress(data, compresslevel=1, mtime=0))
    record = Unfinished(UNFINISHED_SCHEMA_VERSION, drawing, done.input_sha256, sha256_of(data))
    replace_file(folder / RECORD, json_from_record(record).encode())


def kept(folder: Path, drawing: Drawing) -> Done:
    """What was kept by the same drawing.

    Raises:
        UsageError: nothing was, or something else draws now.
        IntegrityError: the masks are not those that were kept.
    """
    if not (folder / RECORD).is_file():
        raise UsageError(f"{folder} has nothing to go on with", RECORD, "none", "Leave --resume out.")
    data = bytes_from_file(folder / RECORD, MAX_RECORD_BYTES, IntegrityError)
    record = record_from_object(Unfinished, object_from_json(data, RECORD, IntegrityError), RECORD, IntegrityError)
    if record.drawing != drawing:
        raise UsageError(
            "what was kept was drawn otherwise", str(record.drawing), str(drawing),
            "Go on with the same study, bundle, runtime, device and precision, or leave --resume out.",
        )  # fmt: skip
    shape = (len(record.input_sha256), *drawing.size)
    masks = _masks(folder / MASKS, int(np.prod(shape)))
    if len(record.input_sha256) > drawing.slices or sha256_of(masks) != record.mask_sha256:
        raise IntegrityError(f"{MASKS} was changed", f"SHA-256 {record.mask_sha256}", "another", "Leave --resume out.")
    return Done(np.frombuffer(masks, np.uint8).reshape(shape), record.input_sha256)


def forget(folder: Path) -> None:
    """Removes what was kept."""
    for name in (RECORD, MASKS):
        (folder / name).unlink(missing_ok=True)


def _masks(path: Path, size: int) -> bytes:
    """As many bytes as there must be, and one more if there are more."""
    try:
        with gzip.open(path) as file:
            return file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise IntegrityError(f"{path.name} cannot be read", "the masks that were kept", type(error).__name__) from error
