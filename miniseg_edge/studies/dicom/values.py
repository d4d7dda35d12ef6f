"""Header values as their value representation (VR) allows them: DICOM PS3.5, table 6.2-1.

A value that breaks its VR is repaired if there is one interpretation; otherwise it is refused, so that it is not
copied.
"""

import datetime
import math
import re
from collections.abc import Callable, Mapping

_GROUPS_OF_A_NAME, _COMPONENTS, _GROUP_LENGTH = 3, 5, 64
_BLANK_CONTROLS = re.compile(r"[\t\n\v\f\r]+")
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
_UID_LENGTH, _NUMBER_LENGTH = 64, 16


def mended(vr: str, text: str) -> str:
    """A single value as its VR allows it, without padding; "" is an empty value.

    Args:
        vr: one of `VALUE_REPRESENTATIONS`.
        text: as it was decoded.

    Raises:
        ValueError: it has no interpretation, or several.
    """
    text = text.strip("\0 ")
    value = _RULES[vr](text).strip(" ") if text else ""
    return value if value.strip() else ""


def is_uid(text: str) -> bool:
    """Whether it is a unique identifier: PS3.5, 9.1."""
    return len(text) <= _UID_LENGTH and text.isascii() and _UID.fullmatch(text) is not None


def _age(text: str) -> str:
    match = _match(r"(\d{1,3}) ?([DWMY])", text.upper())
    return f"{int(match[1]):03d}{match[2]}"


def _code(text: str) -> str:
    return _match(r"[A-Z0-9 _]{1,16}", text.upper())[0]


def _date(text: str) -> str:
    match = _match(r"([12]\d{3})([-./:]?)(\d\d)\2(\d\d)", text)  # 0000 and 9999 are not years
    return f"{datetime.date(int(match[1]), int(match[3]), int(match[4])):%Y%m%d}"


def _time(text: str) -> str:
    match = _match(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d+))?)?)?", text)
    hours, minutes, seconds, fraction = match.groups()
    if int(hours) > 23 or int(minutes or 0) > 59 or int(seconds or 0) > 59:
        raise ValueError("no time of day")
    return hours + (minutes or "") + (seconds or "") + (f".{fraction[:6]}" if fraction else "")


def _decimal(text: str) -> str:
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    number = float(_match(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text)[0])
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return text if len(text) <= _NUMBER_LENGTH else f"{number:.10g}"


def _integer(text: str) -> str:
    number = int(_match(r"([+-]?\d{1,12})(\.0*)?", text)[1])
    if not -(2**31) <= number < 2**31:
        raise ValueError("no number of 32 bits")
    return f"{number}"


def _identifier(text: str) -> str:
    if not is_uid(text):
        raise ValueError("no unique identifier")
    return text


def _name(text: str) -> str:
    text = _line(text)
    shortest = "=".join(group.rstrip("^ ") for group in text.split("=")).rstrip("=")
    for name in (text, shortest):
        groups = name.split("=")
        fits = all(len(group) <= _GROUP_LENGTH and group.count("^") < _COMPONENTS for group in groups)
        if fits and len(groups) <= _GROUPS_OF_A_NAME:
            return name
    raise ValueError("no person's name")


def _line(text: str) -> str:
    """Replaces line breaks by blanks; other control characters are invalid."""
    return _printable(_BLANK_CONTROLS.sub(" ", text))


def _printable(text: str, allowed: str = "") -> str:
    if any((character < " " or "\x7f" <= character <= "\x9f") and character not in allowed for character in text):
        raise ValueError("control characters")
    return text


def _short(limit: int) -> Callable[[str], str]:
    return lambda text: _within(limit, _line(text))


def _long(limit: int) -> Callable[[str], str]:
    return lambda text: _within(limit, _printable(text, "\t\n\f\r"))


def _within(limit: int, text: str) -> str:
    if len(text) > limit:
        raise ValueError("too long")
    return text


def _match(pattern: str, text: str) -> re.Match[str]:
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        raise ValueError("another form")
    return match


_RULES: Mapping[str, Callable[[str], str]] = {
    **{"AS": _age, "CS": _code, "DA": _date, "DS": _decimal, "IS": _integer, "PN": _name, "TM": _time},
    **{"LO": _short(64), "SH": _short(16), "LT": _long(10240), "ST": _long(1024), "UI": _identifier},
    "UT": _long(10240),  # unlimited in the standard
}
VALUE_REPRESENTATIONS = tuple(_RULES)
TEXTS = ("LT", "ST", "UT")
"""VRs with a single value, in which a backslash is a letter, and which may have several lines."""

WRITTEN = ("LO", "LT", "PN", "SH", "ST", "UT")
"""VRs in the header's character set; the others are in ASCII."""
