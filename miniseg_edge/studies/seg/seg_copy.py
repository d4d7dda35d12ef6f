"""A clean copy of the source header's elements for a DICOM SEG, and remarks about what could not be copied unchanged.

Each value is read from the file's bytes, checked against its value representation, and written in UTF-8. Remarks only
name keywords, never values.
"""

import functools
import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.studies.dicom.file import Dataset
from miniseg_edge.studies.dicom.text import CharacterSet, character_set, decoded, guessed, is_utf_8, replaced
from miniseg_edge.studies.dicom.values import TEXTS, WRITTEN, mended
from miniseg_edge.studies.seg.seg_elements import (
    ELEMENTS,
    SEQUENCES,
    SINGLE_ITEMS,
    SYNONYMS,
    TERMS,
    TYPE_2,
    WHOLES,
    Whole,
)

UTF_8 = "ISO_IR 192"
MAX_BYTES = 2**16
"""Maximum length of one value; none of the copied elements needs more."""

MAX_ITEMS = 64
"""Of one sequence."""

_CHARACTER_SET = "SpecificCharacterSet"


class Fate(IntEnum):
    """What happened to an element; of several, the worst."""

    COPIED = 0
    CORRECTED = 1
    GUESSED = 2
    LOST = 3


_IN_WORDS = {
    Fate.CORRECTED: "corrected",
    Fate.GUESSED: "guessed the character set of",
    Fate.LOST: "could not copy, or not completely,",
}


def copied(header: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """A new pydicom Dataset of the elements in `seg_elements`, valid, in UTF-8; and remarks.

    Args:
        header: read with the keywords of `seg_elements`; none of its values may have been accessed yet.

    Raises:
        MissingDependencyError: the extra `dicom` is not installed.
    """
    characters = _characters(header, CharacterSet())
    copy, fates = _elements(header, ELEMENTS, characters)
    if not (characters.known and characters.spelt):
        fates[_CHARACTER_SET] = Fate.CORRECTED
    copy.SpecificCharacterSet = UTF_8
    for keyword, whole in SEQUENCES.items():
        items, fates[keyword] = _items(header, keyword, whole, characters)
        if items:
            setattr(copy, keyword, items)
    for whole in WHOLES:
        fates |= dict.fromkeys(_made_whole(copy, whole), Fate.LOST)
    for keyword in TYPE_2:
        if keyword not in copy:
            setattr(copy, keyword, "")
    return copy, _remarks(fates)


def _remarks(fates: Mapping[str, Fate]) -> tuple[str, ...]:
    told = {fate: [keyword for keyword, own in fates.items() if own is fate] for fate in _IN_WORDS}
    return tuple(f"DICOM SEG: {_IN_WORDS[fate]} {', '.join(keywords)}" for fate, keywords in told.items() if keywords)


def _elements(source: Dataset, keywords: tuple[str, ...], characters: CharacterSet) -> tuple[Dataset, dict[str, Fate]]:
    """The elements that can be copied, and what happened to each."""
    copy, fates = require("pydicom", "dicom").Dataset(), {}
    for keyword in keywords:
        element, fates[keyword] = _element(source, keyword, characters)
        if element is not None:
            copy.add(element)
    return copy, fates


def _items(header: Dataset, keyword: str, whole: Whole, characters: CharacterSet) -> tuple[list[Dataset], Fate]:
    """A sequence's items as far as they are complete."""
    if _entry(keyword)[0] not in header:
        return [], Fate.COPIED
    try:
        items = list(header.get(keyword) or ())
    except Exception:  # pydicom raises many exception types for a broken sequence
        return [], Fate.LOST
    if keyword in SINGLE_ITEMS and len(items) > 1:
        return [], Fate.LOST
    worst, kept = Fate.LOST if len(items) > MAX_ITEMS else Fate.COPIED, []
    for item in items[:MAX_ITEMS]:
        copy, fates = _elements(item, whole.keywords, _characters(item, characters))
        removed = _made_whole(copy, whole)
        worst = max(worst, *fates.values(), Fate.LOST if removed or not len(copy) else Fate.COPIED)
        kept += [copy] if len(copy) else []
    return kept, worst


def _made_whole(copy: Dataset, whole: Whole) -> list[str]:
    """Adds missing elements that may be empty, or removes (and returns) everything if a required value is missing."""
    complete = [group for group in whole.either if all(keyword in copy for keyword in group)]
    kept = (*sum(complete, ()), *whole.empty, *whole.optional) if complete else ()
    removed = [keyword for keyword in whole.keywords if keyword in copy and keyword not in kept]
    for keyword in removed:
        del copy[keyword]
    for keyword in whole.empty if complete else ():
        if keyword not in copy:
            setattr(copy, keyword, "")
    return removed


def _characters(source: Dataset, inherited: CharacterSet) -> CharacterSet:
    """Raw element of a header or an item; pydicom has only converted this element."""
    element = source.get_item(_entry(_CHARACTER_SET)[0])
    if element is None:
        return inherited
    value = element.value
    if isinstance(value, bytes):
        return character_set(value.decode("ascii", "replace"))
    return character_set(value if isinstance(value, str) else "\\".join(map(str, value or ())))


def _element(source: Dataset, keyword: str, characters: CharacterSet) -> tuple[Any | None, Fate]:
    """A clean pydicom DataElement; None if it is missing, empty, or cannot be copied."""
    tag, vr, single = _entry(keyword)
    raw = source.get_item(tag, keep_deferred=True)
    if raw is None or raw.value is None:
        return None, Fate.COPIED
    pydicom = require("pydicom", "dicom")
    try:
        if not isinstance(raw.value, bytes) or len(raw.value) > MAX_BYTES:
            raise ValueError("nothing that the copy could hold")
        texts, fate = (_numbers(raw), Fate.COPIED) if vr == "US" else _texts(vr, raw.value, characters)
        said = [text for text in (one.strip("\0 ") for one in texts) if text]
        if single and len(set(said)) > 1:
            raise ValueError("several values")
        said = said[:1] if single else said
        values = [_value(keyword, vr, text) for text in said]
        if values != said:
            fate = max(fate, Fate.CORRECTED)
        values = [value for value in values if value]
        if not values:
            return None, fate
        value: Any = [int(value) for value in values] if vr == "US" else values
        element = pydicom.DataElement(tag, vr, value[0] if single else value, validation_mode=pydicom.config.RAISE)
    except ValueError:  # a UnicodeError too
        return None, Fate.LOST
    return element, fate


@functools.cache
def _entry(keyword: str) -> tuple[Any, str, bool]:
    """Dictionary entry: tag, value representation, and whether there is a single value."""
    dictionary = require("pydicom.datadict", "dicom")
    tag = require("pydicom.tag", "dicom").Tag(keyword)
    return tag, dictionary.dictionary_VR(tag), dictionary.dictionary_VM(tag) == "1"


def _numbers(raw: Any) -> list[str]:
    """Of 16 bits, as text."""
    order = "<" if raw.is_little_endian else ">"
    return [str(number) for (number,) in struct.iter_unpack(f"{order}H", raw.value[: len(raw.value) // 2 * 2])]


def _texts(vr: str, data: bytes, characters: CharacterSet) -> tuple[list[str], Fate]:
    """The values of an element, decoded before they are split: a backslash may be half of a character.

    Raises: UnicodeError.
    """
    text, fate = _decoded(data, characters, name=vr == "PN") if vr in WRITTEN else (data.decode("ascii"), Fate.COPIED)
    return [text] if vr in TEXTS else text.split("\\"), fate


def _decoded(data: bytes, characters: CharacterSet, *, name: bool) -> tuple[str, Fate]:
    try:
        return decoded(data, characters, name=name), Fate.COPIED
    except UnicodeError:
        if characters.codec is None or is_utf_8(data):
            return guessed(data), Fate.GUESSED
        if name:
            return replaced(data, characters), Fate.LOST
        raise


def _value(keyword: str, vr: str, text: str) -> str:
    """A single value in valid form. Raises: ValueError."""
    value = text if vr == "US" else mended(vr, text)
    value = SYNONYMS.get(keyword, {}).get(value, value)
    if value and keyword in TERMS and value not in TERMS[keyword]:
        raise ValueError("not one of the terms")
    return value
