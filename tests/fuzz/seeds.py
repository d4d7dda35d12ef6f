"""Writes the corpus that fuzzing starts from: small synthetic files of every kind. `python -m tests.fuzz.seeds`."""

import gzip
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import nibabel
import numpy as np
import torch

from miniseg_edge.architecture import Architecture
from miniseg_edge.images import png_from_pixels
from miniseg_edge.phantoms import phantom
from miniseg_edge.provenance import Provenance, stamped_png
from miniseg_edge.records import json_from_record
from miniseg_edge.signature import signer_from_key
from miniseg_edge.studies.findings import Findings, Ran, SliceFinding
from miniseg_edge.training.network import MiniSeg
from tests.bundles import manifest_object, small_manifest
from tests.fuzz.__main__ import CORPUS
from tests.keys import make_keys
from tests.studies.series import write_enhanced, write_series

DRAWN_BY = Provenance("d" * 64, "openvino", "cpu", "fp32", "e" * 64)
GREY = phantom(1, size=(32, 40)).image

Seeds = Iterator[tuple[str, bytes]]


def manifests() -> Seeds:
    yield "small.json", json_from_record(small_manifest()).encode()
    yield "compact.json", json.dumps(manifest_object(), separators=(",", ":")).encode()
    yield "bare.json", b'{"schema_version":1}'


def signatures() -> Seeds:
    with tempfile.TemporaryDirectory() as folder:
        keys = make_keys(Path(folder))
        yield "one.sig", signer_from_key(keys.private).sign("small", {"a": b"1"})


def images() -> Seeds:
    colour = np.stack([GREY] * 3, axis=2)
    yield "grey.png", png_from_pixels(GREY)
    yield "colour.png", png_from_pixels(colour)
    yield "alpha.png", png_from_pixels(np.dstack([colour, np.full_like(GREY, 255)]))
    yield "deep.png", bytes(cv2.imencode(".png", GREY.astype(np.uint16) * 257)[1])
    yield "bits.png", bytes(cv2.imencode(".png", GREY, [cv2.IMWRITE_PNG_BILEVEL, 1])[1])
    yield "stamped.png", stamped_png(png_from_pixels(GREY), DRAWN_BY)
    yield "grey.jpg", bytes(cv2.imencode(".jpg", GREY)[1])
    yield "progressive.jpg", bytes(cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])


def pngs() -> Seeds:
    return ((name, data) for name, data in images() if name.endswith(".png"))


def checkpoints() -> Seeds:
    smallest = MiniSeg(Architecture((1, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0), 2, 1), auxiliary=False)
    contents = {
        "bare": smallest.state_dict(),
        "partial": {"state_dict": {"pred1.1.weight": torch.zeros(2, 1, 1, 1)}, "statistics": {"mean": 0.5, "std": 0.2}},
        "trained": {"model": {"module.pred1.1.bias": torch.zeros(2)}, "training": {"seed": 1, "slices": ["a"]}},
    }
    for name, content in contents.items():
        for form, zipped in (("zip", True), ("legacy", False)):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
            yield f"{name}-{form}.pth", buffer.getvalue()


def dicoms() -> Seeds:
    with tempfile.TemporaryDirectory() as folder:
        yield "classic.dcm", (write_series(Path(folder) / "series", 1) / "900").read_bytes()
        yield "enhanced.dcm", write_enhanced(Path(folder) / "enhanced", 2).read_bytes()


def niftis() -> Seeds:
    voxels = np.arange(4 * 5 * 3, dtype=np.int16).reshape(4, 5, 3)
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        data = bytes(kind(voxels, np.diag([0.7, 0.7, 2.0, 1.0])).to_bytes())
        yield f"{kind.__name__}.nii", data
        yield f"{kind.__name__}.nii.gz", gzip.compress(data, mtime=0)


def results() -> Seeds:
    ran = Ran("openvino", "cpu", "fp32", "d" * 64, "e" * 64, ("a remark",))
    yield "findings.json", json_from_record(Findings(1, True, 1.5, 1, 2, (SliceFinding(0, 3.0),), ran)).encode()
    yield "stamped.png", stamped_png(png_from_pixels(GREY), DRAWN_BY)
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    image.header["descrip"], image.header["aux_file"] = DRAWN_BY.nifti_stamp
    yield "mask.nii.gz", gzip.compress(bytes(image.to_bytes()), mtime=0)
    with tempfile.TemporaryDirectory() as folder:
        yield "slice.dcm", (write_series(Path(folder) / "series", 1) / "900").read_bytes()[:700]


SEEDS = {
    "manifest": manifests,
    "signature": signatures,
    "image": images,
    "png": pngs,
    "checkpoint": checkpoints,
    "dicom": dicoms,
    "nifti": niftis,
    "result": results,
}


def main() -> None:
    """Writes every seed."""
    for target, seeds in SEEDS.items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for name, data in seeds():
            (CORPUS / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
