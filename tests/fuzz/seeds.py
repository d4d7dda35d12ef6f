"""Writes the corpus that fuzzing starts from: small synthetic files of every kind. `python -m tests.fuzz.seeds`."""

import gzip
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import openvino
import torch
from onnx import helper
from pydicom.uid import ImplicitVRLittleEndian

from miniseg_edge.architecture import Architecture
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.bundle.signature import signer_from_key
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import png_from_pixels
from miniseg_edge.studies.findings import Findings, Ran, SliceFinding
from miniseg_edge.studies.provenance import Provenance, stamped_png
from miniseg_edge.training.networks.miniseg import MiniSeg
from tests.admission import test_readers
from tests.admission.test_operators import CHAINS, Case, made_by_onnx_runtime
from tests.attacks.models import SHAPE, ir_files, onnx_model
from tests.bundles import manifest_object, small_manifest
from tests.fuzz import models
from tests.fuzz.__main__ import CORPUS
from tests.fuzz.front import BETWEEN, HEAD
from tests.fuzz.seg import BEFORE_ELEMENTS
from tests.keys import make_keys
from tests.native.plans import case as plan_case
from tests.runtimes.serving.process import body_of
from tests.studies.dicom.test_content import dataset_alone
from tests.studies.nifti.test_place import rotation, set_to
from tests.studies.niftis import nifti_bytes, tilted
from tests.studies.raw_headers import raw_file, sequence
from tests.studies.series import both, header, put, stored_slice, write_enhanced, write_series

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
        classic = (Path(folder) / "series" / "900").read_bytes()
        yield "without-preamble.dcm", classic[132:]
        yield "dataset-alone.dcm", dataset_alone(classic, ImplicitVRLittleEndian)
        yield "gzipped.dcm", gzip.compress(classic, mtime=0)


def studies() -> Seeds:
    def small(index: int, made: Any) -> None:
        made.Rows = made.Columns = 4
        made.PixelData = stored_slice(index)[:4, :4].tobytes()

    edits = {
        "even": small,
        "two-kernels": both(small, lambda index, made: setattr(made, "ConvolutionKernel", f"B{index % 2}")),
        "two-series": both(small, lambda index, made: setattr(made, "SeriesInstanceUID", f"1.2.{index % 2}")),
        "gap": both(small, lambda index, made: setattr(made, "ImagePositionPatient", [0, 0, index**2])),
        "turned": both(small, put(ImageOrientationPatient=[0, -1, 0, 1, 0, 0])),
    }
    for name, edit in edits.items():
        with tempfile.TemporaryDirectory() as folder:
            files = [path.read_bytes() for path in sorted(write_series(Path(folder), 4, edit).iterdir())]
        yield name, b"".join(len(data).to_bytes(2, "little") + data for data in files)


def segs() -> Seeds:
    """A header's elements: patient, study and scanner, in character sets of every kind, with sequences."""
    start, absent = len(BEFORE_ELEMENTS), dict.fromkeys(header(0).dir())
    code = {"CodeValue": b"1", "CodingSchemeDesignator": b"DCM", "CodeMeaning": b"a code"}
    patient = {"PatientID": b"1", "PatientBirthDate": b"1961-02-03", "PatientSex": b"m", "PatientAge": b"061Y"}
    study = {"StudyDate": b"20240102", "StudyTime": b"12:30", "StudyDescription": b"CHEST", "AccessionNumber": b"2"}
    trial = {
        **{"ClinicalTrialSponsorName": b"s", "ClinicalTrialProtocolID": b"p", "ClinicalTrialSubjectID": b"i"},
        **{"ClinicalTrialTimePointID": b"t", "PatientIdentityRemoved": b"YES", "DeidentificationMethod": b"m"},
    }
    scanner = {
        "Manufacturer": b"m",
        "SoftwareVersions": b"a\\b",
        "InstitutionAddress": b"one\r\ntwo",
        "PatientWeight": b"7,5",
    }
    sequences = {
        **{"ProcedureCodeSequence": sequence(code, code), "DeidentificationMethodCodeSequence": sequence(code)},
        "ReferencedStudySequence": sequence({"ReferencedSOPClassUID": b"1.2", "ReferencedSOPInstanceUID": b"1.3"}),
        "IssuerOfAccessionNumberSequence": sequence({"UniversalEntityID": b"u", "UniversalEntityIDType": b"ISO"}),
        "OtherPatientIDsSequence": sequence({"PatientID": b"3", "TypeOfPatientID": b"TEXT"}),
    }
    names = {
        "latin": (b"ISO_IR 100", b"M\xfcller^Hans"),
        "undeclared": (b"", b"M\xfcller"),
        "utf-8": (b"ISO_IR 192", "王^小東".encode()),
        "japan": (b"\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(B"),
        "katakana": (b"ISO_IR 13", b"\xd4\xcf"),
        "korea": (b"\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce"),
        "china": (b"GB18030", "王".encode("gb18030")),
        "misspelt": (b"ISO IR 144", b"\xbb\xee\xda"),
        "wrong": (b"ISO_IR 192", b"M\xfcller"),
    }
    for name, (characters, text) in names.items():
        elements = {
            **patient,
            **study,
            **trial,
            "SpecificCharacterSet": characters,
            "PatientName": text,
            "PatientComments": text,
        }
        yield f"{name}.elements", raw_file(header(0), absent | elements)[start:]
    yield "scanner.elements", raw_file(header(0), absent | scanner | {"PregnancyStatus": b"\x04\0"})[start:]
    yield "sequences.elements", raw_file(header(0), absent | sequences)[start:]


def niftis() -> Seeds:
    voxels = np.arange(4 * 5 * 3, dtype=np.int16).reshape(4, 5, 3)
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        data = bytes(kind(voxels, np.diag([0.7, 0.7, 2.0, 1.0])).to_bytes())
        yield f"{kind.__name__}.nii", data
        yield f"{kind.__name__}.nii.gz", gzip.compress(data, mtime=0)
    yield "tilted.nii", nifti_bytes(voxels, tilted(15))
    yield "unknown.nii", nifti_bytes(voxels, None)
    yield "micrometres.nii", nifti_bytes(voxels, np.diag([700, 700, 2000, 1.0]), set_to(xyzt_units=3), version=2)
    yield "phases.nii", nifti_bytes(np.stack([voxels, voxels], axis=3), edit=set_to(scl_slope=2, scl_inter=-9))
    yield "nan.nii", nifti_bytes(np.where(voxels < 9, np.nan, voxels).astype(np.float32), edit=set_to(qform_code=0))
    yield "by-qform.nii", nifti_bytes(voxels, rotation(5, 9, 170), set_to(sform_code=0))


def results() -> Seeds:
    ran = Ran("openvino", "cpu", "fp32", "d" * 64, "e" * 64, ("a remark",))
    yield "findings.json", json_from_record(Findings(1, True, 1.5, 1, 2, (SliceFinding(0, 3.0),), ran)).encode()
    yield "stamped.png", stamped_png(png_from_pixels(GREY), DRAWN_BY)
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    image.header["descrip"], image.header["aux_file"] = DRAWN_BY.nifti_stamp
    yield "mask.nii.gz", gzip.compress(bytes(image.to_bytes()), mtime=0)
    with tempfile.TemporaryDirectory() as folder:
        yield "slice.dcm", (write_series(Path(folder) / "series", 1) / "900").read_bytes()[:700]


def https() -> Seeds:
    """Connections of several requests, and bodies alone, each with its first byte; see `tests/fuzz/front.py`."""
    grey, hu = np.arange(12, dtype=np.uint8).reshape(1, 3, 4), np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    binary, headers = body_of(grey, called="a")
    split = int(headers["Inference-Header-Content-Length"])
    with_tensor = binary[:split] + BETWEEN + binary[split:]
    in_hu, headers = body_of(hu, "slice_hu", assume_hu=True, timeout=9)
    split = int(headers["Inference-Header-Content-Length"])
    flat = body_of(grey, binary=False, binary_output=False)[0]
    written = json.loads(flat)
    written["inputs"][0] |= {"data": grey.ravel().tolist(), "datatype": "FP32"}
    written["outputs"] = [{"name": "mask", "parameters": {"binary_data": False}}]
    yield "binary", b"\x01" + with_tensor
    yield "hu", b"\x03" + in_hu[:split] + BETWEEN + in_hu[split:]
    yield "nested", b"\x01" + flat
    yield "flat", b"\x01" + json.dumps(written).encode()
    yield "request", b"\x00" + HEAD % (len(flat), b"connection: close\r\n") + flat
    yield "in-pieces", b"\x06" + HEAD % (len(flat), b"expect: 100-continue\r\n") + flat
    yield "half-closed", b"\x08" + HEAD % (len(flat), b"") + flat
    yield "chunks", b"\x00" + HEAD % (5, b"transfer-encoding: chunked\r\n") + b"5\r\n12345\r\n0\r\n\r\n"
    paths = (b"/v2/health/live", b"/v2", b"/v2/models/lung", b"/v2/models/lung/versions/1/ready", b"/v2/models/%20")
    gets = [b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths]
    yield "pipelined", b"\x0a" + b"".join(gets)
    yield "old", b"\x00GET /v2 HTTP/1.0\r\nhost: 127.0.0.1\r\norigin: null\r\n\r\n"
    yield "upgrade", b"\x02GET /v2 HTTP/1.1\r\nhost: [::1]:80\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"
    yield "connect", b"\x00CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n"
    yield "head", b"\x00HEAD /v2?q#f HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer x\r\n\r\n"


def onnxs() -> Seeds:
    """Graphs of one operator each, of all kinds, and some of many."""
    yield "many", test_readers.model()
    for name, model in CHAINS.items():
        yield name.replace(" ", "-"), model.SerializeToString()
    free = onnx_model(
        [helper.make_node("Relu", ["slice"], ["logit"])], shape=("n", 1, "h", "w"), output=("n", 1, "h", "w")
    )
    yield "free", free.SerializeToString()
    window = {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)}
    weights, whole = np.ones((1, 1, 3, 3), np.float32), np.array
    cases = (
        Case("Conv", SHAPE, [weights], window),
        Case("ConvTranspose", SHAPE, [weights], window | {"output_padding": (1, 1)}),
        Case("MaxPool", SHAPE, (), window | {"ceil_mode": 1}),
        Case("AveragePool", SHAPE, (), {"kernel_shape": (3, 3), "auto_pad": "SAME_LOWER"}),
        Case("Slice", SHAPE, [whole([1, -9]), whole([9, -1]), whole([2, -1]), whole([3, 1])]),
        Case("Pad", SHAPE, [whole([0, 0, 1, 2, 0, 0, 3, -4])]),
        Case("Resize", SHAPE, [None, np.array([1, 1, 0.5, 2], np.float32)], {"mode": "linear"}),
        Case("Transpose", SHAPE, (), {"perm": (0, 1, 3, 2)}),
        Case("Unsqueeze", SHAPE, [whole([0, 2])]),
        Case("Squeeze", SHAPE, [whole([0])]),
        Case("Flatten", SHAPE, (), {"axis": 2}),
        Case("ReduceProd", SHAPE, [whole([2])], {"keepdims": 0}),
        Case("Tile", SHAPE, [whole([1, 2, 1, 3])]),
        Case("Expand", SHAPE, [whole([2, 1, 32, 32])]),
        Case("Concat", SHAPE, [np.float32(np.ones((1, 1, 4, 32)))], {"axis": 2}),
        Case("MatMul", SHAPE, [np.ones((32, 2), np.float32)]),
        Case("SpaceToDepth", SHAPE, (), {"blocksize": 2}),
        Case("LayerNormalization", SHAPE, [np.ones(32, np.float32)] * 2),
    )
    for case in cases:
        made = made_by_onnx_runtime(case)
        assert made is not None, case
        yield case.operator, case.model(made).SerializeToString()


def irs() -> Seeds:
    for name, data in onnxs():
        yield name, models.BETWEEN.join(ir_files(openvino.Core().read_model(data)))


def plans() -> Seeds:
    """A plan without blocks and one with a block of each kind, as small as they come; HU and several channels too."""
    bare, one = (1, 4, 4, 4), (1, 1, 1, 1)
    yield "bare", plan_case(Architecture(bare, (0, 0, 0, 0), (0, 0, 0, 0), 2, 1)).plan
    yield "blocks", plan_case(Architecture(bare, one, one, 3, 1)).plan
    yield "hu", plan_case(Architecture(bare, (0, 0, 0, 0), (0, 0, 0, 0), 2, 2), hu=True, channels=2).plan


SEEDS = {
    "manifest": manifests,
    "signature": signatures,
    "image": images,
    "png": pngs,
    "checkpoint": checkpoints,
    "dicom": dicoms,
    "study": studies,
    "seg": segs,
    "nifti": niftis,
    "result": results,
    "http": https,
    "onnx": onnxs,
    "ir": irs,
    "plan": plans,
}


def main() -> None:
    """Writes every seed."""
    for target, seeds in SEEDS.items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for name, data in seeds():
            (CORPUS / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
