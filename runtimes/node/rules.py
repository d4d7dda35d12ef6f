"""Which series are accepted: rules in a small file; the first rule that matches an image decides."""

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from miniseg_edge.errors import UsageError
from miniseg_edge.host.dependencies import installed, require
from miniseg_edge.host.files import bytes_from_file
from miniseg_edge.studies.dicom.file import Dataset
from miniseg_edge.studies.dicom.frames import said, words

Answer = Literal["take", "refuse", "ignore"]
TAKE: Answer = "take"
REFUSE: Answer = "refuse"
IGNORE: Answer = "ignore"
ANSWERS = (TAKE, REFUSE, IGNORE)

KEYWORDS = ("Modality", "BodyPartExamined", "SeriesDescription", "SliceThickness", "ConvolutionKernel")
"""What rules look at."""

_MAX_FILE = 2**16
_TEXTS = {
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "description": "SeriesDescription",
    "kernel": "ConvolutionKernel",
}
_THICKNESS = "thickness_mm"


@dataclass(frozen=True)
class Rule:
    """Conditions, all of which must match, and the answer.

    Attributes:
        answer: for a matching image.
        texts: case-insensitive patterns with * and ? for each element's name; one of them must match.
        thickness_mm: smallest and largest, or None for any.
    """

    answer: Answer
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    thickness_mm: tuple[float, float] | None = None

    def fits(self, header: Dataset) -> bool:
        """Whether all conditions match; a missing element only matches the pattern "", and no thickness."""
        if self.thickness_mm is not None:
            thickness = _number(said(header, "SliceThickness"))
            if thickness is None or not self.thickness_mm[0] <= thickness <= self.thickness_mm[1]:
                return False
        return all(_fits(words(said(header, _TEXTS[name])), patterns) for name, patterns in self.texts.items())


@dataclass(frozen=True)
class Rules:
    """The rules in order.

    Attributes:
        rules: the first match decides.
        otherwise: the answer for images without a match.
        other_classes: "refuse": no presentation context is accepted for objects other than CT images. "ignore": they
            are accepted and discarded, for scanners that stop at the first refusal.
    """

    rules: tuple[Rule, ...]
    otherwise: Answer = REFUSE
    other_classes: Answer = REFUSE

    def answer(self, header: Dataset) -> Answer:
        """The answer for an image with this header."""
        return next((rule.answer for rule in self.rules if rule.fits(header)), self.otherwise)


CT_ALONE = Rules((Rule(TAKE, {"modality": ("CT",)}),))
"""Without a file, every CT is accepted."""


def rules_from_file(path: Path) -> Rules:
    """Reads TOML. Raises: UsageError, which names the fault."""
    try:
        toml: Any = require("tomllib" if installed("tomllib") else "tomli", "node")  # the former since Python 3.11
        data = toml.loads(bytes_from_file(path, _MAX_FILE, UsageError).decode("utf-8"))
    except ValueError as error:
        raise UsageError(f"{path.name} is not TOML", expected="rules in TOML", because=str(error)[:200]) from None
    _check_keys(data, {"otherwise", "other_classes", "rule"}, path.name)
    tables = data.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path.name} has invalid rules", expected="[[rule]] tables", got=type(tables).__name__)
    rules = tuple(_rule(table, f"{path.name}, rule {number}") for number, table in enumerate(tables, 1))
    others = _answer(data.get("other_classes", REFUSE), (REFUSE, IGNORE), f"{path.name}: other_classes")
    return Rules(rules, _answer(data.get("otherwise", REFUSE), ANSWERS, f"{path.name}: otherwise"), others)


def _rule(table: Mapping[str, object], where: str) -> Rule:
    _check_keys(table, {"then", _THICKNESS, *_TEXTS}, where)
    texts = {name: _patterns(table[name], f"{where}: {name}") for name in _TEXTS if name in table}
    thickness = None if _THICKNESS not in table else _range(table[_THICKNESS], f"{where}: {_THICKNESS}")
    return Rule(_answer(table.get("then"), ANSWERS, f"{where}: then"), texts, thickness)


def _check_keys(table: Mapping[str, object], known: set[str], where: str) -> None:
    if unknown := sorted(table.keys() - known):
        raise UsageError(f"{where} has unknown keys", expected=", ".join(sorted(known)), got=", ".join(unknown)[:200])


def _answer(value: object, allowed: tuple[Answer, ...], where: str) -> Answer:
    for answer in allowed:
        if value == answer:
            return answer
    raise UsageError(f"{where} is not a valid answer", expected=", ".join(allowed), got=str(value)[:64])


def _patterns(value: object, where: str) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        raise UsageError(f"{where} is not a pattern", expected="a text, or a list of texts", got=type(value).__name__)
    return tuple(str(one) for one in found)


def _range(value: object, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2 or not all(type(one) in (int, float) for one in value):
        raise UsageError(f"{where} is not a range", expected="[smallest, largest] in mm", got=str(value)[:64])
    low, high = float(value[0]), float(value[1])
    if not 0 <= low <= high < math.inf:
        raise UsageError(f"{where} is not a range", expected="0 <= smallest <= largest", got=str(value)[:64])
    return low, high


def _fits(values: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    return any(
        fnmatch.fnmatchcase(value.casefold(), pattern.casefold()) for value in values or ("",) for pattern in patterns
    )


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None
