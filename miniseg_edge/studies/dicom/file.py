"""Reads one untrusted DICOM file: first its header, then its pixels, checked before a decoder allocates."""

import functools
import struct
import zlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import InputError, MissingDependencyError, TransferSyntaxError, UnsupportedFormatError
from miniseg_edge.host.dependencies import require
from miniseg_edge.host.files import sha256_of
from miniseg_edge.studies.dicom.codestreams import coded_size
from miniseg_edge.studies.dicom.content import (
    MAX_INFLATED_BYTES,
    PREAMBLE,
    STANDARD,
    Form,
    form_in,
    standard_content,
    standard_start,
)
from miniseg_edge.studies.dicom.plain_start import SERIES_TAGS, SERIES_UID, SeriesFacts, facts_of
from miniseg_edge.studies.source_files import MAX_FILE_BYTES, SourceFile
from miniseg_edge.studies.volume import check_volume_budget

DEFLATED = "1.2.840.10008.1.2.1.99"

_IMPLICIT, _EXPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
_CHARACTER_SET = 0x00080005
_PER_FRAME_GROUPS = 0x52009230
_SLICES_OWN = (0x00080018, 0x00200032)
"""SOPInstanceUID and ImagePositionPatient."""

_PIXEL_DATA = 0x7FE00010
_PIXELS = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
_BYTES_BEFORE_SERIES_UID = 2**20
_BYTES_OF_META = 2**10
_UNDEFINED = 0xFFFFFFFF
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_LONG_VRS = (b"OB", b"OW")

Dataset = Any
"""A pydicom Dataset; pydicom is imported only when a study is opened."""


@dataclass(frozen=True, eq=False)
class Header:
    """The content of a file before its pixels.

    Attributes:
        file: that it is of.
        form: of the file.
        dataset: the requested elements, without pixels.
        position: where the pixel data's element starts, in the standard form or in the inflated dataset of a deflated
            file.
        has_pixels: whether pixel data start there.
        has_meta: whether the file names its transfer syntax.
        sha256: of the bytes before that.
        kind: equal for headers that only differ in their slice's identity and position; None for multi-frame headers,
            and if bytes cannot be compared.
    """

    file: SourceFile
    form: Form
    dataset: Dataset
    position: int
    has_pixels: bool
    has_meta: bool
    sha256: str
    kind: Hashable | None


@dataclass(frozen=True, eq=False)
class PixelLayout:
    """Where a file's pixels are and how they are encoded, so that its header need not be parsed again to read them.

    Attributes:
        name: of the file.
        form, position, sha256: as in `Header`.
        syntax: the transfer syntax, a pydicom UID.
        frames, rows, columns: as in the header.
        options: everything that pydicom's decoders need from a header.
    """

    name: str
    form: Form
    position: int
    sha256: str
    syntax: Any
    frames: int
    rows: int
    columns: int
    options: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class OpenedFile:
    """A file in memory: its pixel data, still encoded, and the SHA-256 of the whole file."""

    layout: PixelLayout
    pixels: bytes
    sha256: str


def is_dicom(path: Path) -> bool:
    """Whether the file starts like DICOM in any form; names are ignored. Raises: UnsupportedFormatError."""
    try:
        with path.open("rb") as file:
            return form_in(file) is not None
    except OSError as reason:
        raise UnsupportedFormatError(f"{path.name} cannot be read", because=str(reason.strerror)) from reason


def series_facts_in(source: Any, name: str, form: Form = STANDARD) -> SeriesFacts:
    """What an opened file says of its series, read no further than its columns.

    What is damaged behind the SeriesInstanceUID leaves the other facts out.

    Args:
        source: opened, at its start.
        name: for messages.
        form: of the file.

    Raises:
        UnsupportedFormatError: not readable DICOM; MissingDependencyError.
    """
    reader = require("pydicom.filereader", "dicom")

    def partial(last: int, tags: tuple[int, ...]) -> Dataset:
        return reader.read_partial(source, lambda tag, vr, length: tag > last, force=True, specific_tags=list(tags))

    try:
        if not form.is_standard:
            source = BytesIO(standard_start(source.read(_BYTES_BEFORE_SERIES_UID), form))
        _check_deflated(source)
        try:
            header = partial(SERIES_TAGS[-1], SERIES_TAGS)
        except Exception:  # as below
            source.seek(0)
            header = partial(SERIES_UID, (SERIES_UID,))
        elements = [element for tag in SERIES_TAGS if (element := header.get_item(tag)) is not None]
        order = "<" if all(getattr(element, "is_little_endian", True) for element in elements) else ">"
        return facts_of({int(element.tag): _bytes(element.value) for element in elements}, order)
    except InputError:
        raise
    except Exception as error:  # pydicom raises many kinds about hostile headers
        raise UnsupportedFormatError(
            f"{name} is not readable DICOM", expected="an intact header", got=type(error).__name__
        ) from None


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode("ascii", "replace")


def header_from_file(file: SourceFile, keywords: tuple[str, ...]) -> Header:
    """The requested header elements, without pixels.

    Raises: UnsupportedFormatError, MissingDependencyError, OSError.
    """
    if (size := file.size()) > MAX_FILE_BYTES:
        raise UnsupportedFormatError(
            f"{file.name} is too large", expected=f"at most {MAX_FILE_BYTES} bytes", got=f"{size}"
        )
    with file.open() as opened:
        form = form_in(opened)
        if form is None:
            raise UnsupportedFormatError(
                f"{file.name} is not DICOM", expected="DICOM", got="another file" if size else "an empty file"
            )
        source = opened if form.is_standard else BytesIO(standard_content(opened.read(), form, file.name))
        dataset, has_meta = _parsed(source, file.name, keywords)
        values = _raw_values(dataset)
        position = source.tell()
        source.seek(0)
        if str(dataset.file_meta.TransferSyntaxUID) == DEFLATED:
            content = _inflated(source.read(), file.name)
            position = _pixel_position(content)
        else:
            content = source.read(position + len(_PIXELS[0]))
    has_pixels = content[position : position + len(_PIXELS[0])] in _PIXELS
    kind = None if values is None else (has_pixels, str(dataset.file_meta.TransferSyntaxUID), *values)
    return Header(file, form, dataset, position, has_pixels, has_meta, sha256_of(content[:position]), kind)


def _raw_values(dataset: Dataset) -> tuple[Hashable, ...] | None:
    """The key of a kind: a dataset's elements except a slice's own, before any but the character set is converted.

    None for multi-frame headers, and if an element was already converted.
    """
    elements = [element for element in dataset.values() if element.tag not in _SLICES_OWN]
    if _PER_FRAME_GROUPS in dataset or not all(e.is_raw or e.tag == _CHARACTER_SET for e in elements):
        return None
    return tuple((int(e.tag), e.VR, e.value if e.is_raw else str(e.value)) for e in elements)


def pixel_layout(header: Header) -> PixelLayout:
    """How to read the pixels of an image with this header.

    Raises:
        InputError: more pixels than allowed. Whatever pydicom raises for invalid elements.
    """
    dataset = header.dataset
    frames, rows, columns = int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns)
    check_volume_budget(frames, rows, columns)
    options = require("pydicom.pixels", "dicom").as_pixel_options(dataset)
    options["photometric_interpretation"] = str(options["photometric_interpretation"]).strip("\0 ").upper()
    syntax = dataset.file_meta.TransferSyntaxUID
    name = header.file.name
    return PixelLayout(name, header.form, header.position, header.sha256, syntax, frames, rows, columns, options)


def open_file(file: SourceFile, layout: PixelLayout) -> OpenedFile:
    """Reads the whole file once.

    Raises:
        UnsupportedFormatError: missing, truncated, or without pixels.
        InputError: the header differs from when its layout was read.
    """
    data = file.read()
    content = standard_content(data, layout.form, file.name)
    if str(layout.syntax) == DEFLATED:
        content = _inflated(content, file.name)
    if sha256_of(content[: layout.position]) != layout.sha256:
        raise InputError(f"{file.name} changed while it was read", expected="the file that was opened", got="another")
    return OpenedFile(layout, _pixel_bytes(content, layout), sha256_of(data))


def stored_values(opened: OpenedFile, frame: int) -> npt.NDArray[np.generic]:
    """Decodes one frame: (H, W), integers as the scanner stored them; read-only if uncompressed.

    Raises:
        TransferSyntaxError: no installed decoder supports it.
        UnsupportedFormatError: corrupt.
    """
    layout = opened.layout
    syntax, size = layout.syntax, (layout.rows, layout.columns)
    decoder = _decoder(layout)
    if syntax.is_encapsulated:
        _check_coded_size(opened, frame)
    stored = {"pixel_keyword": "PixelData", "pixel_vr": "OW", "view_only": True}
    try:
        values: npt.NDArray[np.generic] = decoder.as_array(opened.pixels, index=frame, **layout.options, **stored)[0]
    except Exception as error:
        if "12-bit" in str(error):
            raise TransferSyntaxError(
                f"{layout.name} is compressed as {syntax.name} ({syntax}) in 12 bits",
                expected="a decoder for it",
                got="none",
                remedy=(
                    "Install pylibjpeg-libjpeg (GPL, so not part of the extra), "
                    "or convert the file with dcmdjpeg of the package dcmtk."
                ),
            ) from None
        raise UnsupportedFormatError(
            f"{layout.name} cannot be decoded", expected="intact pixel data", got="data that the decoder rejects"
        ) from None
    if values.shape != size:
        wanted = f"{size[0]} x {size[1]}"
        raise UnsupportedFormatError(
            f"{layout.name} decodes to an unexpected size", expected=wanted, got=str(values.shape)
        )
    return values


def _check_coded_size(opened: OpenedFile, frame: int) -> None:
    """Refuses a frame whose codestream differs in size from the header, before a decoder allocates for it."""
    layout, encapsulated = opened.layout, require("pydicom.encaps", "dicom")
    try:
        data = encapsulated.get_frame(opened.pixels, frame, number_of_frames=layout.frames)
    except Exception:  # pydicom has several exception types for fragments that make no frames
        raise UnsupportedFormatError(
            f"{layout.name} is corrupt", expected="a fragment for each frame", got="another"
        ) from None
    size, wanted = coded_size(data), (layout.rows, layout.columns)
    if size is not None and size != wanted:
        raise UnsupportedFormatError(
            f"{layout.name} has a compressed frame of an unexpected size",
            expected=f"{wanted[0]} x {wanted[1]}",
            got=f"{size[0]} x {size[1]}",
        )


def _decoder(layout: PixelLayout) -> Any:
    """The pydicom decoder for the file's transfer syntax. Raises: TransferSyntaxError."""
    syntax, name = layout.syntax, layout.name
    try:
        decoder = require("pydicom.pixels", "dicom").get_decoder(syntax)
    except NotImplementedError:
        raise TransferSyntaxError(
            f"{name} is compressed as {syntax.name} ({syntax})",
            expected="a transfer syntax that pydicom decodes",
            got="another",
            remedy="Convert it with dcmdjpeg of the package dcmtk.",
        ) from None
    if not decoder.is_available:
        raise TransferSyntaxError(
            f"{name} is compressed as {syntax.name} ({syntax})", expected="a decoder for it",
            got=f"none of: {'; '.join(decoder.missing_dependencies)}", remedy='Run: pip install "miniseg-edge[dicom]"',
        )  # fmt: skip
    return decoder


def _parsed(source: Any, name: str, keywords: tuple[str, ...]) -> tuple[Dataset, bool]:
    """The dataset, and whether the file names its transfer syntax."""
    pydicom = require("pydicom", "dicom")
    try:
        _check_deflated(source)
        dataset = pydicom.dcmread(source, stop_before_pixels=True, force=True, specific_tags=_tags(keywords))
        if not (named := "TransferSyntaxUID" in dataset.file_meta):
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(_encoding(dataset))
        str(dataset.file_meta.TransferSyntaxUID)
    except (InputError, MissingDependencyError):
        raise
    except Exception as error:  # pydicom raises many exception types for hostile headers
        raise UnsupportedFormatError(
            f"{name} is not readable DICOM", expected="an intact header", because=type(error).__name__
        ) from None
    return dataset, named


def _encoding(dataset: Dataset) -> str:
    """The transfer syntax of a file that names none, from how its elements are written; never a compressed one."""
    implicit, little_endian = dataset.original_encoding
    return _IMPLICIT if implicit else _EXPLICIT if little_endian else _BIG_ENDIAN


@functools.cache
def _tags(keywords: tuple[str, ...]) -> list[Any]:
    """As pydicom tags: looking up the names for every file takes a third of its time."""
    tag = require("pydicom.tag", "dicom").Tag
    return [tag(keyword) for keyword in keywords]


def _check_deflated(source: Any) -> None:
    """Inflates a deflated file within the budget first: pydicom does it without bound."""
    start = source.read(PREAMBLE + 4 + _BYTES_OF_META)
    source.seek(0)
    meta = start[PREAMBLE + 4 :]
    if DEFLATED.encode() in meta and meta[:4] == b"\x02\x00\x00\x00":
        rest = source.read()[PREAMBLE + 16 + struct.unpack("<I", meta[8:12])[0] :]
        source.seek(0)
        _bounded(rest)


def _inflated(data: bytes, name: str) -> bytes:
    """The dataset of a deflated file. Group 2 comes before it and states its own length first."""
    try:
        return _bounded(data[PREAMBLE + 16 + struct.unpack_from("<I", data, PREAMBLE + 12)[0] :])
    except (zlib.error, struct.error):
        raise UnsupportedFormatError(f"{name} is corrupt", expected="intact deflated data", got="broken data") from None


def _bounded(deflated: bytes) -> bytes:
    limit = MAX_INFLATED_BYTES
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    found = engine.decompress(deflated, limit)
    if engine.unconsumed_tail:
        raise InputError("a deflated file is too large", expected=f"at most {limit} bytes inflated", got="more")
    return found


def _pixel_position(content: bytes) -> int:
    """The position of the pixel data's tag in an inflated dataset, which is explicit VR, little endian."""
    source = BytesIO(content)
    reader = require("pydicom.filereader", "dicom")
    reader.read_dataset(source, False, True, stop_when=lambda tag, vr, length: tag == _PIXEL_DATA)
    return source.tell()


def _pixel_bytes(content: bytes, layout: PixelLayout) -> bytes:
    """The pixel data's value, after its length was checked against the file and against Rows x Columns x Frames."""
    syntax, name, position = layout.syntax, layout.name, layout.position
    order = "<" if syntax.is_little_endian else ">"
    head = content[position : position + 12].ljust(12, b"\0")
    if struct.unpack(order + "HH", head[:4]) != (0x7FE0, 0x0010):
        raise UnsupportedFormatError(f"{name} has no pixels", expected="pixel data", got="none")
    long = not syntax.is_implicit_VR and head[4:6] in _LONG_VRS
    start = position + (12 if long else 8)
    length = struct.unpack(order + "I", head[8:12] if long else head[4:8])[0]
    if length == _UNDEFINED:
        return _encapsulated(content, start, name)
    expected = layout.frames * layout.rows * layout.columns * int(layout.options["bits_allocated"]) // 8
    actual = min(length, len(content) - start)
    if actual < expected:
        raise UnsupportedFormatError(f"{name} has truncated pixel data", expected=f"{expected} bytes", got=f"{actual}")
    return content[start : start + length]


def _encapsulated(content: bytes, start: int, name: str) -> bytes:
    position = start
    while content[position : position + 4] == _ITEM:
        position += 8 + struct.unpack("<I", content[position + 4 : position + 8].ljust(4, b"\0"))[0]
    if content[position : position + 4] != _DELIMITER:
        raise UnsupportedFormatError(
            f"{name} has truncated pixel data", expected=f"fragments up to byte {position} and an end mark",
            got=f"{len(content)} bytes",
        )  # fmt: skip
    return content[start:position]
