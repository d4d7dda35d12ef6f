"""What is fuzzed: each target takes any bytes, and may answer with a result or with an error of ours, nothing else."""

import contextlib
import json
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

from miniseg_edge.errors import MiniSegError, SignatureError
from miniseg_edge.images import PNG_SIGNATURE, label_from_file, slice_from_bytes
from miniseg_edge.manifest import manifest_from_json
from miniseg_edge.provenance import provenance_of
from miniseg_edge.records import MAX_DEPTH
from miniseg_edge.signature import signing_key
from miniseg_edge.studies import open_study
from miniseg_edge.training.checkpoint import checkpoint_from_file
from tests.bundles import resealed

Target = Callable[[bytes], object]

_FOLDER = Path(tempfile.mkdtemp(prefix="miniseg-fuzz-"))


def _file(data: bytes, name: str) -> Path:
    path = _FOLDER / name
    path.write_bytes(data)
    return path


def manifest(data: bytes) -> None:
    """`manifest.json` as it comes, and with the digest that belongs to it, so that more than the digest is reached."""
    with contextlib.suppress(MiniSegError):
        manifest_from_json(data)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict) and data.count(b"{") + data.count(b"[") < MAX_DEPTH * 100:
        with contextlib.suppress(ValueError):  # NaN cannot be sealed
            manifest_from_json(resealed(found))


def signature(data: bytes) -> None:
    """`model.sig`, up to where model-signing takes over."""
    with contextlib.suppress(SignatureError):
        signing_key(data)


def image(data: bytes) -> None:
    """PNG and JPEG, as slices and as labels."""
    for channels in (1, 3):
        with contextlib.suppress(MiniSegError):
            slice_from_bytes(data, "fuzzed", channels)
    label_from_file(_file(data, "label.png"), 3)


def png(data: bytes) -> None:
    """PNG whose checksums are put right, so that more than they are reached."""
    slice_from_bytes(_with_checksums(data), "fuzzed")


def _with_checksums(data: bytes) -> bytes:
    found, position = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while position + 8 <= len(data):
        length = min(struct.unpack(">I", data[position : position + 4])[0], len(data) - position - 8)
        chunk = data[position + 4 : position + 8 + length]
        found.append(struct.pack(">I", length) + chunk + struct.pack(">I", zlib.crc32(chunk)))
        position += 12 + length
    return b"".join(found)


def checkpoint(data: bytes) -> None:
    """`.pth` in either format of torch."""
    checkpoint_from_file(_file(data, "fuzzed.pth"))


def dicom(data: bytes) -> None:
    """A DICOM file, its header and its pixels."""
    open_study(_file(data, "fuzzed.dcm")).volume()


def nifti(data: bytes) -> None:
    """A NIfTI file, plain and as a gzip stream."""
    for name in ("fuzzed.nii", "fuzzed.nii.gz"):
        with contextlib.suppress(MiniSegError):
            open_study(_file(data, name)).volume()


def result(data: bytes) -> None:
    """What says of itself what drew it."""
    for name in ("fuzzed.png", "fuzzed.nii.gz", "fuzzed.json"):
        with contextlib.suppress(MiniSegError):
            provenance_of(_file(data, name))


TARGETS: dict[str, Target] = {
    target.__name__: target for target in (manifest, signature, image, png, checkpoint, dicom, nifti, result)
}


def one_input(target: Target, data: bytes) -> None:
    """Runs a target once; what comes through is a finding."""
    with warnings.catch_warnings(), contextlib.suppress(MiniSegError):
        warnings.simplefilter("ignore")  # pydicom's and torch's own remarks
        target(data)
