"""Chooses the volume of a study: the only one that can be segmented, or the one that the user names."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from miniseg_edge.errors import AmbiguousStudyError, InputError, NoGeometryError, NotAxialError, RescaleError
from miniseg_edge.plurals import number_of
from miniseg_edge.studies.dicom.file import Header
from miniseg_edge.studies.dicom.frames import said, words
from miniseg_edge.studies.dicom.volumes import Reading, SeriesVolume, Stacked, volumes_of

_SHOWN = 24
_LISTED = 40


@dataclass(frozen=True)
class SeriesSummary:
    """A volume that a study offers.

    Attributes:
        name: what `series` accepts: the series' number, or its UID if the number is missing or not unique; with "/1",
            "/2", ... if the series contains several volumes.
        uid: SeriesInstanceUID.
        description, kernel: as the scanner wrote them, only printable characters, at most 24.
        slices: how many.
        spacing_mm: between planes; None if it cannot be segmented.
        obstacle: why it cannot be segmented, or "".
    """

    name: str
    uid: str
    description: str
    kernel: str
    slices: int
    spacing_mm: float | None
    obstacle: str = ""


@dataclass(frozen=True, eq=False)
class Chosen:
    """The volume to segment, its series, and remarks about the choice."""

    made: Stacked
    headers: Sequence[Header]
    uid: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Offer:
    summary: SeriesSummary
    volume: SeriesVolume
    headers: Sequence[Header]


def summaries(images: Mapping[str, Sequence[Header]], reading: Reading) -> tuple[SeriesSummary, ...]:
    """All volumes of a study, by number. Raises: AmbiguousStudyError if none has the requested name."""
    return tuple(offer.summary for offer in _offers(images, reading))


def chosen(images: Mapping[str, Sequence[Header]], reading: Reading) -> Chosen:
    """The requested volume.

    Args:
        images: of a study, by SeriesInstanceUID.
        reading: with the requested series, or None if only one can be segmented.

    Raises:
        AmbiguousStudyError: several can be segmented, or none has the requested name; its `series` lists them.
            InputError and subclasses: why the only one cannot be segmented.
    """
    offers = _offers(images, reading)
    possible = [offer for offer in offers if isinstance(offer.volume.made, Stacked)]
    if len(possible) == 1 and not any(_is_faulty(offer, possible[0].volume.slices) for offer in offers):
        made = possible[0].volume.made
        assert isinstance(made, Stacked)  # noqa: S101
        return Chosen(made, possible[0].headers, possible[0].summary.uid, _others(offers))
    if len(offers) == 1:
        assert isinstance(offers[0].volume.made, InputError)  # noqa: S101
        raise offers[0].volume.made
    raise _several(offers, possible)


def _is_faulty(offer: _Offer, slices: int) -> bool:
    """Whether an axial CT volume cannot be read, and is longer than the one that could be used instead."""
    fault = offer.volume.made
    harmless = isinstance(fault, (NoGeometryError, NotAxialError, RescaleError))
    return isinstance(fault, InputError) and not harmless and offer.volume.slices > slices


def _others(offers: Sequence[_Offer]) -> tuple[str, ...]:
    codes = Counter(o.volume.made.code for o in offers if isinstance(o.volume.made, InputError))
    if not codes:
        return ()
    why = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))
    return (f"the one volume of the study that can be segmented was taken; left out: {why}",)


def _several(offers: Sequence[_Offer], possible: Sequence[_Offer]) -> AmbiguousStudyError:
    listed = "; ".join(_said(offer.summary) for offer in offers[:_LISTED])
    problem = (
        f"the study holds {len(possible)} volumes that can be segmented" if len(possible) > 1
        else "a longer volume of the study than the only one that can be segmented is faulty" if possible
        else f"none of the study's {len(offers)} volumes can be segmented"
    )  # fmt: skip
    error = AmbiguousStudyError(
        problem,
        expected="one, or a choice",
        got=listed,
        remedy='Choose with --series NUMBER, or series="NUMBER"; a UID works too.',
    )
    error.series = tuple(offer.summary for offer in offers)
    return error


def _said(summary: SeriesSummary) -> str:
    """Without the scanner's words, which are untrusted."""
    spacing = summary.obstacle or f"{summary.spacing_mm:.2f} mm"
    uid = "" if summary.uid in summary.name else f", {summary.uid}"
    return f"{summary.name or 'one without a UID'} ({number_of(summary.slices, 'slice')}, {spacing}{uid})"


def _offers(images: Mapping[str, Sequence[Header]], reading: Reading) -> list[_Offer]:
    numbers = {uid: _number(headers) for uid, headers in images.items()}
    counts = Counter(numbers.values())
    names = {uid: number if number and counts[number] == 1 else uid for uid, number in numbers.items()}
    series, _, part = (_plain(words) for words in (reading.series or "").partition("/"))
    wanted = [uid for uid in images if reading.series is None or series in (uid, names[uid])]
    if not wanted:
        got = "a number that several have; take the UID" if counts[series] > 1 else "another"
        expected = ", ".join(sorted(names.values(), key=_order)[:_LISTED])
        raise AmbiguousStudyError("no series has this number or UID", expected=expected, got=got)
    offers = [
        offer for uid in sorted(wanted, key=lambda uid: _order(names[uid]))
        for offer in _of_series(uid, names[uid], images[uid], reading)
    ]  # fmt: skip
    if not part:
        return offers
    found = [offer for offer in offers if offer.summary.name.rpartition("/")[2] == part and "/" in offer.summary.name]
    if not found:
        expected = ", ".join(offer.summary.name for offer in offers)
        raise AmbiguousStudyError("the series does not contain this volume", expected=expected, got="another")
    return found


def _of_series(uid: str, name: str, headers: Sequence[Header], reading: Reading) -> list[_Offer]:
    volumes = volumes_of(headers, reading)
    found = []
    for index, volume in enumerate(volumes):
        possible = isinstance(volume.made, Stacked)
        summary = SeriesSummary(
            name=name if len(volumes) == 1 else f"{name}/{index + 1}",
            uid=uid,
            description=_printable(headers[0], "SeriesDescription"),
            kernel=_printable_text(volume.kernel),
            slices=volume.slices,
            spacing_mm=volume.made.stack.geometry.slice_spacing_mm if isinstance(volume.made, Stacked) else None,
            obstacle="" if possible else volume.made.code if isinstance(volume.made, InputError) else "",
        )
        found.append(_Offer(summary, volume, headers))
    return found


def _number(headers: Sequence[Header]) -> str:
    """The series' number as displayed; "" if it is missing or invalid."""
    number = "".join(words(said(headers[0].dataset, "SeriesNumber"))[:1])
    return _plain(number) if re.fullmatch(r"\d{1,12}", number) else ""


def _plain(number: str) -> str:
    """A number without spaces and leading zeros; any other text unchanged."""
    number = number.strip()
    return number.lstrip("0") or "0" if re.fullmatch(r"\d{1,12}", number) else number


def _order(name: str) -> tuple[bool, int, str]:
    return not name.isdecimal(), int(name) if name.isdecimal() else 0, name


def _printable(header: Header, keyword: str) -> str:
    return _printable_text(" ".join(words(said(header.dataset, keyword))))


def _printable_text(text: str) -> str:
    """Prevents control characters of a header from reaching a terminal."""
    return "".join(letter for letter in text if letter.isprintable())[:_SHOWN]
