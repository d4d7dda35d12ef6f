"""Non-standard DICOM files: without preamble, without file meta, gzipped. All are read as if they were standard.

Scanners' export tools, research archives and careless copies omit the 128 bytes of preamble, the word DICM, or all of
group 2. The dataset itself is intact, and a series must not lose such slices.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from miniseg_edge.errors import InputError, UnsupportedFormatError

PREAMBLE, MAGIC = 128, b"DICM"
START = PREAMBLE + len(MAGIC)
MAX_INFLATED_BYTES = 2**30

_GZIP = b"\x1f\x8b"
LOOKED_AT = 4096
_FIRST_GROUPS = (0x0002, 0x0008)
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT")
_VRS = (
    *_LONG_VRS, b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH",
    b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
)  # fmt: skip
_MOST_BYTES = 2**16
"""Of an element among the first ones."""


@dataclass(frozen=True)
class Form:
    """How a DICOM file is packaged.

    Attributes:
        gzipped: as a whole.
        offset: where group 2, or the dataset if there is none, starts after unpacking.
    """

    gzipped: bool
    offset: int

    @property
    def is_standard(self) -> bool:
        """As DICOM part 10 requires."""
        return not self.gzipped and self.offset == START


STANDARD = Form(gzipped=False, offset=START)


def form_of(start: bytes) -> Form | None:
    """How a file with this start is packaged; None if it is not DICOM.

    Args:
        start: at least the first `LOOKED_AT` bytes, or the whole file.
    """
    gzipped = start.startswith(_GZIP)
    plain = _first_inflated(start) if gzipped else start
    if plain[PREAMBLE:START] == MAGIC:
        return Form(gzipped, START)
    if plain.startswith(MAGIC) and _is_dataset(plain[len(MAGIC) :]):
        return Form(gzipped, len(MAGIC))
    for offset in (0, PREAMBLE):
        if _is_dataset(plain[offset:]):
            return Form(gzipped, offset)
    return None


def form_in(source: BinaryIO) -> Form | None:
    """The same for an opened file, which is left at its start."""
    start = source.read(LOOKED_AT)
    source.seek(0)
    return form_of(start)


def standard_content(data: bytes, form: Form, name: str) -> bytes:
    """The whole file in standard form.

    Raises:
        UnsupportedFormatError: gzip that is truncated or damaged; InputError: more than `MAX_INFLATED_BYTES`.
    """
    if form.is_standard:
        return data
    return _dressed(gunzipped(data, name) if form.gzipped else data, form)


def standard_start(start: bytes, form: Form) -> bytes:
    """The start of a file in standard form, as far as these bytes go."""
    return start if form.is_standard else _dressed(_first_inflated(start) if form.gzipped else start, form)


def _dressed(plain: bytes, form: Form) -> bytes:
    return plain if form.offset == START else bytes(PREAMBLE) + MAGIC + plain[form.offset :]


def gunzipped(data: bytes, name: str, limit: int = MAX_INFLATED_BYTES) -> bytes:
    """Unpacks gzip of one or several members; checksums are verified. Raises: UnsupportedFormatError, InputError."""
    found, left = b"", data
    try:
        while left.startswith(_GZIP):
            engine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            found += engine.decompress(left, limit + 1 - len(found))
            if len(found) > limit or engine.unconsumed_tail:
                raise InputError(f"{name} is too large", expected=f"at most {limit} bytes unpacked", got="more")
            if not engine.eof:
                raise UnsupportedFormatError(f"{name} is truncated", expected="a whole gzip file", got="its beginning")
            left = engine.unused_data
    except zlib.error:
        raise UnsupportedFormatError(
            f"{name} is damaged", expected="an intact gzip file", got="a wrong checksum or code"
        ) from None
    if left.strip(b"\0"):
        raise UnsupportedFormatError(f"{name} is damaged", expected="a gzip file", got="more bytes after it")
    return found


def _first_inflated(start: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(start, len(start) * 8)
    except zlib.error:
        return b""


def _is_dataset(data: bytes) -> bool:
    """Whether two consecutive elements of the first groups are here, in any of the three encodings."""
    return any(_two_elements(data, order, explicit) for order, explicit in (("<", True), ("<", False), (">", True)))


def _two_elements(data: bytes, order: str, explicit: bool) -> bool:
    first = _element(data, 0, order, explicit)
    if first is None or first[0] >> 16 not in _FIRST_GROUPS:
        return False
    second = _element(data, first[1], order, explicit)
    return second is not None and first[0] < second[0]


def _element(data: bytes, position: int, order: str, explicit: bool) -> tuple[int, int] | None:
    """Tag of the element here, and where it ends; None if it cannot be among the first elements."""
    head = data[position : position + 12]
    if len(head) < 12:
        return None
    group, number = struct.unpack_from(order + "HH", head)
    if not explicit:
        size, length = 8, struct.unpack_from(order + "I", head, 4)[0]
    elif head[4:6] not in _VRS:
        return None
    elif head[4:6] in _LONG_VRS:
        size, length = 12, struct.unpack_from(order + "I", head, 8)[0]
    else:
        size, length = 8, struct.unpack_from(order + "H", head, 6)[0]
    if length > _MOST_BYTES or length % 2:
        return None
    return group << 16 | number, position + size + length


def explicit_element(data: bytes, position: int) -> tuple[int, int, int] | None:
    """Tag, where its value begins, and its length, in explicit little endian; None if no known kind is there.

    An undefined length is a length behind the end of every file.
    """
    head = data[position : position + 12]
    if len(head) < 12 or (kind := head[4:6]) not in _VRS:
        return None
    group, number = struct.unpack_from("<HH", head)
    if kind in _LONG_VRS:
        return group << 16 | number, position + 12, struct.unpack_from("<I", head, 8)[0]
    return group << 16 | number, position + 8, struct.unpack_from("<H", head, 6)[0]


def implicit_element(data: bytes, position: int) -> tuple[int, int, int] | None:
    """The same in implicit little endian; None at the end."""
    head = data[position : position + 8]
    if len(head) < 8:
        return None
    group, number, length = struct.unpack("<HHI", head)
    return group << 16 | number, position + 8, length
