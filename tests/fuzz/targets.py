"""What is fuzzed: each target takes any bytes, and may answer with a result or with an error of ours, nothing else."""

import contextlib
import gzip
import json
import shutil
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from miniseg_edge.bundle.manifest import manifest_from_json
from miniseg_edge.bundle.records import MAX_DEPTH
from miniseg_edge.bundle.signature import signing_key
from miniseg_edge.errors import MiniSegError, SignatureError
from miniseg_edge.slices.images import PNG_SIGNATURE, label_from_file, slice_from_bytes
from miniseg_edge.studies import Study, list_series, open_study
from miniseg_edge.studies.nifti.header import HEADER_BYTES, header_from_bytes
from miniseg_edge.studies.nifti.mask import nifti_from_mask
from miniseg_edge.studies.nifti.place import OFFSET_TOLERANCE_MM, place_from_forms
from miniseg_edge.studies.nifti.study import labels_from_nifti
from miniseg_edge.studies.provenance import provenance_of
from miniseg_edge.studies.source_files import DiskFile
from miniseg_edge.training.checkpoint import checkpoint_from_file
from tests.bundles import resealed
from tests.fuzz.front import http
from tests.fuzz.models import ir, onnx
from tests.fuzz.plans import plan
from tests.fuzz.seg import seg

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


def study(data: bytes) -> None:
    """A folder of up to six files, each with its length before it: sorted, told apart, stacked and read."""
    files: list[bytes] = []
    while len(data) > 2 and len(files) < 6:
        length = int.from_bytes(data[:2], "little")
        files.append(data[2 : 2 + length])
        data = data[2 + length :]
    folder = _FOLDER / "study"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for index, content in enumerate(files):
        (folder / f"{index}").write_bytes(content)
    for longest_part in (False, True):
        with contextlib.suppress(MiniSegError):
            open_study(folder, longest_part=longest_part).volume()
    list_series(folder)


def nifti(data: bytes) -> None:
    """A NIfTI file as it comes and in a gzip stream with the right checksum: volume, labels, and the mask of it."""
    for stored in (data, gzip.compress(data, 1, mtime=0)):
        path = _file(stored, "fuzzed.nii")
        with contextlib.suppress(MiniSegError):
            labels_from_nifti(DiskFile(path)).volume()
        with contextlib.suppress(MiniSegError):
            opened = open_study(path, phase=0)
            _check_mask(opened)
            opened.volume()


def _check_mask(opened: Study) -> None:
    """A mask of the study lies where the study lies, by its own header, which agrees with itself."""
    layout = opened.origin.layout
    assert layout is not None
    made = nifti_from_mask(np.zeros((len(opened), *opened.size), np.uint8), opened.geometry, opened.origin)
    header = header_from_bytes(made[:HEADER_BYTES], "mask.nii")
    assert header.grid == layout.shape
    affine = place_from_forms(header.forms, header.grid, "mask.nii").affine
    source = place_from_forms(layout.forms, layout.shape, "source.nii").affine
    np.testing.assert_allclose(affine, source, rtol=1e-5, atol=OFFSET_TOLERANCE_MM)


def result(data: bytes) -> None:
    """What says of itself what drew it."""
    for name in ("fuzzed.png", "fuzzed.nii.gz", "fuzzed.json"):
        with contextlib.suppress(MiniSegError):
            provenance_of(_file(data, name))


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (manifest, signature, image, png, checkpoint, dicom, study, seg, nifti, result, http, onnx, ir, plan)
}


def one_input(target: Target, data: bytes) -> None:
    """Runs a target once; what comes through is a finding."""
    with warnings.catch_warnings(), contextlib.suppress(MiniSegError):
        warnings.simplefilter("ignore")  # pydicom's and torch's own remarks
        target(data)
