"""The size of a compressed frame in its own header: decoders allocate by that, not by the DICOM header."""

import struct

_START, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_NO_FRAME_HEADER = {0xC4, 0xC8, 0xCC}
"""Markers C0..CF that do not start a frame: tables, and a reserved one."""

_JPEG_LS = 0xF7
_STANDALONE = {0x01, *range(0xD0, 0xD8)}


def coded_size(codestream: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a JPEG, JPEG-LS or JPEG 2000 codestream; None if the format lacks them, such as RLE."""
    try:
        if codestream[:2] == _START:
            return _jpeg_size(codestream)
        if codestream[:4] == _JPEG_2000:
            right, bottom, left, top = struct.unpack_from(">4I", codestream, 8)
            return bottom - top, right - left
    except (struct.error, IndexError):
        pass
    return None


def _jpeg_size(codestream: bytes) -> tuple[int, int] | None:
    position = len(_START)
    while codestream[position] == 0xFF:
        marker = codestream[position + 1]
        if marker == 0xFF:  # padding
            position += 1
        elif marker in _STANDALONE:
            position += 2
        elif marker == _JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADER):
            rows, columns = struct.unpack_from(">2H", codestream, position + 5)
            return rows, columns
        else:
            position += 2 + int(struct.unpack_from(">H", codestream, position + 2)[0])
    return None
