"""What a result records about its origin; written into the result itself, and read back from any of our results."""

import gzip
import re
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.errors import UnsupportedFormatError
from miniseg_edge.host.files import bytes_from_file
from miniseg_edge.slices.images import MAX_IMAGE_BYTES, PNG_SIGNATURE, png_chunks
from miniseg_edge.studies.dicom.file import header_from_file, is_dicom
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.findings import Findings
from miniseg_edge.studies.source_files import DiskFile

KEYWORD = "miniseg-edge"
MAX_FINDINGS_BYTES = 64 * 2**20

_PNG_HEADER_END = 33
_NIFTI_HEADER_BYTES = 348
_NIFTI_2_START = struct.pack("<i", 540)
_DESCRIPTION_BYTES, _AUXILIARY_BYTES = 80, 24
_NIFTI_1_DESCRIPTION, _NIFTI_2_DESCRIPTION = 148, 240
_GZIP_SIGNATURE = b"\x1f\x8b"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Provenance:
    """What made a mask.

    Attributes:
        bundle_digest: the manifest's.
        runtime, device, precision: what ran; "" if the result's format has no field for it.
        input_sha256: of the segmented file or files; "" if the format has no field for it.
    """

    bundle_digest: str
    runtime: str = ""
    device: str = ""
    precision: str = ""
    input_sha256: str = ""

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.bundle_digest):
            raise ValueError("a bundle's digest, 64 hexadecimal digits")

    @property
    def short(self) -> str:
        """Runtime, precision and device in one text, as stored in headers."""
        return f"{self.runtime} {self.precision} {self.device}".strip()

    @property
    def nifti_stamp(self) -> tuple[str, str]:
        """Texts for a NIfTI header's `descrip` and `aux_file`; they have no room for the device."""
        return f"{KEYWORD} {self.bundle_digest}", f"{self.runtime} {self.precision}"


def stamped_png(png: bytes, provenance: Provenance) -> bytes:
    """The same picture with its provenance as a text chunk."""
    content = f"{KEYWORD}\0{json_from_record(provenance)}".encode("latin-1")
    chunk = b"tEXt" + content
    whole = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:_PNG_HEADER_END] + whole + png[_PNG_HEADER_END:]


def provenance_of(path: Path) -> Provenance:
    """What made a result of `miniseg-segment`: a mask or overlay in PNG, a NIfTI, a DICOM SEG, `findings.json`.

    Raises:
        UnsupportedFormatError: unreadable, another kind of file, or one without provenance.
        MissingDependencyError: a DICOM SEG without the extra `dicom`.
    """
    start = bytes_from_file(path, MAX_IMAGE_BYTES, UnsupportedFormatError)[:_NIFTI_HEADER_BYTES]
    try:
        if start.startswith(PNG_SIGNATURE):
            return _from_png(path)
        if is_dicom(path):
            return _from_dicom(path)
        if path.suffix == ".json":
            return _from_findings(path)
        return _from_nifti(path)
    except ValueError:  # whose text may quote the file
        raise _silent(path.name) from None


def _silent(name: str) -> UnsupportedFormatError:
    return UnsupportedFormatError(
        f"{name} has no record of the bundle that made it",
        expected="a mask, an overlay or findings from miniseg-segment",
        got="another file",
    )


def _from_png(path: Path) -> Provenance:
    for kind, content in png_chunks(bytes_from_file(path, MAX_IMAGE_BYTES, UnsupportedFormatError), path.name):
        keyword, _, text = content.partition(b"\0")
        if kind == b"tEXt" and keyword == KEYWORD.encode():
            found = object_from_json(text, path.name, UnsupportedFormatError)
            return record_from_object(Provenance, found, path.name, UnsupportedFormatError)
    raise _silent(path.name)


def _from_dicom(path: Path) -> Provenance:
    with distrusted(path.name, lambda kind: _silent(path.name)):
        header = header_from_file(DiskFile(path), ("DeviceSerialNumber", "SoftwareVersions")).dataset
        versions = header.get("SoftwareVersions", "")
        drawn_by = "" if isinstance(versions, str) else str(versions[-1])
        return _from_words(str(header.get("DeviceSerialNumber", "")), drawn_by)


def _from_nifti(path: Path) -> Provenance:
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == _GZIP_SIGNATURE
            plain.seek(0)
            header = (gzip.GzipFile(fileobj=plain) if packed else plain).read(_NIFTI_HEADER_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise _silent(path.name) from error
    at = _NIFTI_2_DESCRIPTION if header.startswith(_NIFTI_2_START) else _NIFTI_1_DESCRIPTION
    stamp, end = header[at:], _DESCRIPTION_BYTES + _AUXILIARY_BYTES
    description = stamp[:_DESCRIPTION_BYTES].rstrip(b"\0").decode("ascii")
    if len(header) < _NIFTI_HEADER_BYTES or not description.startswith(f"{KEYWORD} "):
        raise _silent(path.name)
    return _from_words(description.split(" ")[-1], stamp[_DESCRIPTION_BYTES:end].rstrip(b"\0").decode("ascii"))


def _from_words(digest: str, drawn_by: str) -> Provenance:
    """Parses a header's texts: `Provenance.short`, possibly truncated."""
    words = dict(zip(("runtime", "precision", "device"), drawn_by.split(" "), strict=False))
    return replace(Provenance(digest), **words)


def _from_findings(path: Path) -> Provenance:
    data = bytes_from_file(path, MAX_FINDINGS_BYTES, UnsupportedFormatError)
    found = object_from_json(data, path.name, UnsupportedFormatError)
    ran = record_from_object(Findings, found, path.name, UnsupportedFormatError).ran
    return Provenance(ran.bundle_digest, ran.runtime, ran.device, ran.precision, ran.input_sha256)
