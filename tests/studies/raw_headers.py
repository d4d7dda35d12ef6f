"""Headers with elements of any bytes, as scanners write them and pydicom would not."""

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

from tests.studies.series import Edit, header

LONG_VRS = ("OB", "OD", "OF", "OL", "OW", "SQ", "UC", "UN", "UR", "UT")

Raw = Mapping[str, bytes | tuple[str, bytes] | None]
"""Keyword -> the value's bytes, or a VR and bytes; None for an element that is not there."""


def raw_series(folder: Path, elements: Raw, count: int = 2, edit: Edit = lambda index, header: None) -> Path:
    """Writes a series whose headers hold those bytes under those keywords."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        made = header(index)
        edit(index, made)
        (folder / f"{900 - index}").write_bytes(raw_file(made, elements))
    return folder


def raw_file(made: Any, elements: Raw) -> bytes:
    """A file in explicit VR, little endian: the header's elements, and the others in their places as they are."""
    raw = {int(tag_for_keyword(keyword) or 0): value for keyword, value in elements.items()}
    written = {}
    for element in made:
        buffer = DicomBytesIO()
        buffer.is_implicit_VR, buffer.is_little_endian = False, True
        if element.VR == "OB or OW":
            element.VR = "OW"
        write_data_element(buffer, element, ["latin_1"])
        written[int(element.tag)] = buffer.getvalue()
    for tag, value in raw.items():
        written.pop(tag, None)
        if value is not None:
            vr, data = (dictionary_VR(tag), value) if isinstance(value, bytes) else value
            written[tag] = raw_element(tag, vr.split(" or ")[0], data)
    start = DicomBytesIO()
    pydicom.filewriter.write_file_meta_info(start, made.file_meta)
    return bytes(128) + b"DICM" + start.getvalue() + b"".join(written[tag] for tag in sorted(written))


def raw_element(tag: int, vr: str, data: bytes) -> bytes:
    """An element in explicit VR, little endian."""
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return head + (struct.pack("<xxI", len(data)) if vr in LONG_VRS else struct.pack("<H", len(data))) + data


def sequence(*items: Mapping[str, bytes]) -> bytes:
    """The value of a sequence with those items, each of a known length."""
    made = b""
    for item in items:
        tags = {int(tag_for_keyword(keyword) or 0): value for keyword, value in item.items()}
        data = b"".join(raw_element(tag, dictionary_VR(tag), value) for tag, value in sorted(tags.items()))
        made += b"\xfe\xff\x00\xe0" + struct.pack("<I", len(data)) + data
    return made


def dciodvfy_errors(path: Path) -> list[str]:
    """What dicom3tools' verifier holds against a file; nothing where it is not installed.

    It counts the bytes of texts against limits that DICOM counts in characters (PS3.5, 6.2): that is not an error.
    """
    if shutil.which("dciodvfy") is None:
        return []
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    summary = "Error - Dicom dataset contains invalid data values for Value Representations"
    errors = [line for line in said if line.startswith("Error") and line != summary]
    return [line for line in errors if line.isascii() or "Length invalid for this VR" not in line]
