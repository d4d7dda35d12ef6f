"""Text of DICOM headers as Unicode, from every character set that scanners write.

Terms and escape sequences are those of DICOM PS3.3, C.12.1.1.2, tables C.12-2 to C.12-5; code extensions are PS3.5,
6.1.2.5. The reader is more lenient than the standard if there is only one interpretation: misspelt terms, escape
sequences of sets that the header does not name, designations that are not repeated after a delimiter.
"""

import re
from dataclasses import dataclass

_LATIN_1 = "latin_1"
_SINGLE_BYTE = {
    **{13: "shift_jis", 100: _LATIN_1, 101: "iso8859_2", 109: "iso8859_3", 110: "iso8859_4", 126: "iso8859_7"},
    **{127: "iso8859_6", 138: "iso8859_8", 144: "iso8859_5", 148: "iso8859_9", 166: "tis_620", 203: "iso8859_15"},
}
"""Registration number -> codec of bytes above 127; Shift JIS covers the half-width katakana of JIS X 0201."""

_TWO_BYTES = {149: "euc_kr", 58: "gb2312"}
_JAPANESE = (87, 159)
"""JIS X 0208 and 0212, which replace ASCII and are only reached through escape sequences."""

_ALONE = {"ISOIR192": "utf_8", "UTF8": "utf_8", "GB18030": "gb18030", "GBK": "gbk", "ISO2022GBK": "gbk"}
_BY_NAME = {
    **{"LATIN1": _LATIN_1, "ISO2022LATIN1": _LATIN_1, "GB2312": "gb2312", "EUCKR": "euc_kr", "KSX1001": "euc_kr"},
    **{"SHIFTJIS": "shift_jis", "SJIS": "shift_jis", "BIG5": "big5", "EUCJP": "euc_jp"},
    **{f"ISO8859{part}": f"iso8859_{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16)},
    **{f"WINDOWS{page}": f"cp{page}" for page in range(1250, 1259)},
    **{f"CP{page}": f"cp{page}" for page in range(1250, 1259)},
    "ISO88591": _LATIN_1,
}
"""Names from other standards that headers use instead of a defined term."""

_ASCII = ("", "ISOIR6", "ISO2022IR6", "ASCII", "USASCII", "ISO646")
_REGISTERED = re.compile(r"(?:ISO)?(?:2022)?(?:IR)?(\d{2,3})")

_ESCAPE = b"\x1b"
_FIRST_REGISTER = {b"(B": "", b"(J": "", b"$@": "208", b"$B": "208", b"$(B": "208", b"$(D": "212"}
"""Escape sequence -> the set of bytes below 128 after it; "" is ASCII, or JIS X 0201's Latin letters."""

_SECOND_REGISTER = {
    **{b")I": _SINGLE_BYTE[13], b"-A": _LATIN_1, b"-B": "iso8859_2", b"-C": "iso8859_3", b"-D": "iso8859_4"},
    **{b"-F": "iso8859_7", b"-G": "iso8859_6", b"-H": "iso8859_8", b"-L": "iso8859_5", b"-M": "iso8859_9"},
    **{b"-T": "tis_620", b"-b": "iso8859_15", b"$)C": "euc_kr", b"$)A": "gb2312"},
}
"""Escape sequence -> the codec of bytes above 127 after it."""

_RESETS, _NAME_RESETS = b"\t\n\f\r\\", b"\t\n\f\r\\^="
"""What ends a designation: PS3.5, 6.1.2.5.3."""


@dataclass(frozen=True)
class CharacterSet:
    """How a header's text is encoded.

    Attributes:
        codec: Python's, for bytes above 127 before any escape sequence; None if the header has no such bytes.
        alone: the codec applies to the whole text, without code extensions.
        known: the header names a known character set, or none.
        spelt: as the standard spells it.
    """

    codec: str | None = None
    alone: bool = False
    known: bool = True
    spelt: bool = True


def character_set(terms: str) -> CharacterSet:
    """The character set of a SpecificCharacterSet, given with its values joined by backslashes; "" is ASCII."""
    said = [term.strip("\0 ") for term in terms.split("\\")]
    names = [re.sub(r"[^A-Z0-9]", "", term.upper()) or term for term in said]
    spelt = all(re.fullmatch(r"|ISO_IR \d+|ISO 2022 IR \d+|GB18030|GBK", term) for term in said)
    if alone := [_ALONE[name] for name in names if name in _ALONE]:  # in any position: ASCII is part of it
        return CharacterSet(alone[0], alone=True, spelt=spelt)
    codecs = [codec for name in names if (codec := _codec(name))]
    known = all(name in _ASCII or _codec(name) is not None for name in names)
    return CharacterSet(codecs[0] if codecs else None, known=known, spelt=spelt)


def _codec(name: str) -> str | None:
    """Codec of one term; "" is a set without bytes above 127, and None is unknown."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    match = _REGISTERED.fullmatch(name)
    number = int(match[1]) if match else 0
    return (_SINGLE_BYTE | _TWO_BYTES | dict.fromkeys(_JAPANESE, "")).get(number)


def decoded(data: bytes, characters: CharacterSet, *, name: bool = False) -> str:
    """A value as text. Escape sequences are interpreted and removed.

    Args:
        data: as stored in the file.
        characters: of the header, or of the sequence item.
        name: whether it is a person's name, whose delimiters reset designations too.

    Raises:
        UnicodeError: it is invalid in that character set.
    """
    if characters.alone and characters.codec:
        return data.decode(characters.codec)
    if _ESCAPE in data:
        return _with_extensions(data, characters.codec, _NAME_RESETS if name else _RESETS)
    return _above_ascii(data, characters.codec)


def is_utf_8(data: bytes) -> bool:
    """Whether it is UTF-8; text in another character set rarely is by chance."""
    try:
        data.decode("utf_8")
    except UnicodeDecodeError:
        return False
    return True


def guessed(data: bytes) -> str:
    """A value of unknown encoding: UTF-8 if valid, otherwise Western European, as in viewers.

    Raises: UnicodeError.
    """
    return data.decode("utf_8") if is_utf_8(data) else _above_ascii(data, _LATIN_1)


def replaced(data: bytes, characters: CharacterSet) -> str:
    """A person's name as far as it can be read, with U+FFFD for each unreadable part."""
    if characters.alone and characters.codec:
        return data.decode(characters.codec, "replace")
    groups = []
    for group in data.split(b"="):  # one may be valid and another not
        try:
            groups.append(decoded(group, characters, name=True))
        except UnicodeError:
            groups.append("" if _ESCAPE in group else group.decode(characters.codec or "ascii", "replace"))
    return "=".join(groups)


def _above_ascii(data: bytes, codec: str | None) -> str:
    if data.isascii() or codec is None:
        return data.decode("ascii")
    text = data.decode(codec)
    if codec == _LATIN_1 and any("\x80" <= character <= "\x9f" for character in text):
        return data.decode("cp1252")  # a control character in the one is a quote in the other
    return text


def _with_extensions(data: bytes, initial: str | None, resets: bytes) -> str:
    first, second = "", initial
    text, at = [], 0
    while at < len(data):
        byte = data[at : at + 1]
        if byte == _ESCAPE:
            sequence = _sequence(data, at + 1)
            first = _FIRST_REGISTER.get(sequence, first)
            second = _SECOND_REGISTER.get(sequence, second)
            at += 1 + len(sequence)
        elif byte >= b"\x80":
            end = at
            while end < len(data) and data[end] >= 0x80:
                end += 1
            text.append(_above_ascii(data[at:end], second))
            at = end
        elif first and byte > b" ":
            text.append(_japanese(data[at : at + 2], first))
            at += 2
        else:
            if byte in resets:
                # Many writers do not repeat the designation after a delimiter; without another set, there is only one
                # interpretation.
                first, second = "", second if initial is None else initial
            text.append(byte.decode("ascii"))
            at += 1
    return "".join(text)


def _sequence(data: bytes, start: int) -> bytes:
    for length in (3, 2):
        sequence = data[start : start + length]
        if sequence in _FIRST_REGISTER or sequence in _SECOND_REGISTER:
            return sequence
    raise UnicodeError("an escape sequence that DICOM does not have")


def _japanese(pair: bytes, plane: str) -> str:
    """Two bytes below 128, of JIS X 0208 or 0212: with the high bits, they are EUC-JP."""
    if len(pair) < 2 or not pair.isascii():
        raise UnicodeError("half a character")
    raised = bytes(byte | 0x80 for byte in pair)
    in_plane = raised if plane == "208" else b"\x8f" + raised
    return in_plane.decode("euc_jp")
