"""What came of an archive, as one page. It has no names: a series is named by its key, and its row says the rest."""

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import pairwise

from miniseg_edge import errors
from miniseg_edge.errors import MiniSegError
from miniseg_edge.pages.document import document
from miniseg_edge.pages.pieces import figure, row, section, table_of, td, th
from miniseg_edge.plurals import number_of
from miniseg_edge.printable import in_html
from miniseg_edge.runtimes.archive.overview.tally import (
    FETCHING,
    OPENING,
    SEGMENTING,
    TICK_S,
    VOLUMES_ML,
    WAITING,
    WRITING,
    Tally,
)
from miniseg_edge.runtimes.archive.row import FAILED, STATUSES

MOST_BARS = 120
"""Of throughput: so many are told apart on paper."""

MOST_WORKERS = 40
"""That have a row; the others share one."""

PAUSE_S = 3600
"""A longer time without a series is left out of the picture: the run was interrupted."""

_ADVICE = {
    FETCHING: "The storage limits: copies of the files, or reading them for their hashes. "
    "A faster line or more of it would help, more workers would not.",
    OPENING: "Headers limit: series of many small files take their time per file.",
    SEGMENTING: "The engine limits, as it should: more workers, or faster ones, would help.",
    WRITING: "Writing results limits: a faster disk, or fewer formats, would help.",
    WAITING: "Handing out series limits, or there were more workers than series: fewer workers would do.",
}


def html_from_tally(tally: Tally, source: str) -> str:
    """The page.

    Args:
        tally: of the rows.
        source: the name of what they are of, to be shown.
    """
    parts = (
        _head(tally, source),
        _throughput(tally),
        _time(tally),
        _failures(tally),
        _volumes(tally),
        _workers(tally),
    )
    return document(f"MiniSeg Edge archive: {in_html(source)}", parts, "The rows are in the folder rows.")


def _head(tally: Tally, source: str) -> str:
    counts = ", ".join(f"{tally.statuses[status]:,} {status}" for status in STATUSES)
    bad = " bad" if tally.statuses[FAILED] else ""
    return (
        f"<header><h1>Archive: {in_html(source)}</h1></header>\n"
        f'<p class="verdict{bad}">{number_of(tally.series, "series", "series")}: {counts}. '
        f"{number_of(tally.slices, 'slice')} segmented of {tally.bytes / 1e6:,.0f} MB.</p>"
    )


def _throughput(tally: Tally) -> str:
    if not tally.ticks:
        return ""
    places, pauses = _without_pauses(sorted(tally.ticks))
    width = -(-(max(places.values()) + 1) // MOST_BARS)
    bars = [0] * (max(places.values()) // width + 1)
    for tick, place in places.items():
        bars[place // width] += tally.ticks[tick]
    rates = [slices / (width * TICK_S) for slices in bars]
    left_out = f", without {number_of(pauses, 'pause')} of over {PAUSE_S // 60} minutes" if pauses else ""
    note = (
        f"Slices per second, {_seconds(width * TICK_S)} a bar; at most {max(rates):,.1f}. "
        f"{_moment(min(places))} to {_moment(max(places))}{left_out}. A series counts when it is finished."
    )
    return section("Throughput", figure(_columns(rates, max(rates)), note), "whole")


def _without_pauses(ticks: Sequence[int]) -> tuple[dict[int, int], int]:
    """The place of each tick where a pause takes one tick, and the number of pauses."""
    places, pauses, place, before = dict[int, int](), 0, 0, ticks[0]
    for tick in ticks:
        is_pause = (tick - before) * TICK_S > PAUSE_S
        place += 1 if is_pause else tick - before
        pauses += is_pause
        places[tick], before = place, tick
    return places, pauses


def _moment(tick: int) -> str:
    return datetime.fromtimestamp(tick * TICK_S, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _seconds(count: int) -> str:
    return f"{count} s" if count < 120 else f"{count / 60:.3g} min"


def _columns(values: Sequence[float], top: float) -> str:
    """Upright bars from left to right, of numbers alone."""
    wide, high, gap = 900.0, 160.0, 0.15
    each = min(wide / len(values), 60.0)
    bars = "".join(
        f'<rect x="{(index + gap / 2) * each:.2f}" y="{high - height:.2f}" width="{each * (1 - gap):.2f}" '
        f'height="{height:.2f}" fill="var(--accent)"/>'
        for index, value in enumerate(values)
        if (height := value / top * high if top else 0.0)
    )
    return (
        f'<svg viewBox="0 0 {wide:g} {high + 1:g}" role="img" aria-label="bars, at most {top:.1f}">{bars}'
        f'<rect x="0" y="{high:g}" width="{wide:g}" height="1" fill="var(--line)"/></svg>'
    )


def _bar(share: float) -> str:
    """A bar in a row, of a share of 1."""
    return (
        '<svg viewBox="0 0 200 12" width="200" height="12" aria-hidden="true">'
        f'<rect width="{share * 200:.1f}" height="12" fill="var(--accent)"/></svg>'
    )


def _time(tally: Tally) -> str:
    limit, parts = tally.limit, tally.parts
    if limit is None:
        return ""
    total = sum(parts.values())
    rows = [
        row([th(in_html(part)), td(f"{seconds / total:.1%}"), td(f"{seconds / tally.series:.2f}"),
             td(_bar(seconds / total), "words")])
        for part, seconds in parts.items()
    ]  # fmt: skip
    advice = _ADVICE.get(limit, "No single part limits.")
    note = f'<p class="note">Of {total / 3600:,.2f} hours of all workers.</p>'
    body = f"<p>{advice}</p>" + table_of(["part", "share", "s a series", ""], rows, (3,)) + note
    return section("What the workers' time went to", body, "whole")


def _failures(tally: Tally) -> str:
    if not tally.codes:
        return section("Failures", "<p>None.</p>", "whole")
    kinds = sorted(tally.codes, key=lambda kind: (kind[0] != FAILED, -tally.codes[kind], kind))
    rows = [
        row([th(f"<b>{in_html(code or 'without a code')}</b><small>{in_html(_meaning(code))}</small>"),
             td(in_html(status), "words"), td(f"{tally.codes[status, code]:,}"),
             td("<br>".join(f"<code>{in_html(key)}</code>" for key in tally.examples[status, code]), "words")])
        for status, code in kinds
    ]  # fmt: skip
    note = '<p class="note">Examples are keys of series; the folder series has a folder for each.</p>'
    return section("Failures", table_of(["code", "status", "series", "examples"], rows, (1, 3)) + note)


def _meaning(code: str) -> str:
    """What an error code means, from its class."""
    kinds, found = [MiniSegError], ""
    for kind in kinds:  # which grows
        kinds += kind.__subclasses__()
        if kind.code == code and kind.__module__ == errors.__name__:
            found = (kind.__doc__ or "").partition("\n")[0]
    return found


def _volumes(tally: Tally) -> str:
    total = tally.volumes.total()
    if not total:
        return ""
    names = ["none", f"below {_ml(VOLUMES_ML[0])}"]
    names += [f"{_ml(low)} to {_ml(high)}" for low, high in pairwise(VOLUMES_ML)]
    names.append(f"{_ml(VOLUMES_ML[-1])} and more")
    rows = [
        row([th(f"{name} ml" if index else name), td(f"{tally.volumes[index]:,}"),
             td(f"{tally.volumes[index] / total:.1%}"), td(_bar(tally.volumes[index] / total), "words")])
        for index, name in enumerate(names)
    ]  # fmt: skip
    body = table_of(["lesions together", "series", "share", ""], rows, (3,))
    return section("Lesion volumes", body, "whole")


def _ml(volume: float) -> str:
    return f"{volume:.2g}" if volume < 100 else f"{volume:.0f}"


def _workers(tally: Tally) -> str:
    if not tally.workers:
        return ""
    ordered = sorted(tally.workers.items(), key=lambda item: (-item[1].slices, -item[1].series, item[0]))
    rows = [
        row([th(in_html(name)), td(in_html(worker.runs_on or "-"), "words"), td(f"{worker.series:,}"),
             td(f"{worker.slices:,}"), td(f"{worker.slices_per_s:.1f}"), td(f"{worker.busy_s / 3600:,.2f}"),
             td(f"{worker.waiting_s / 3600:,.2f}")])
        for name, worker in ordered[:MOST_WORKERS]
    ]  # fmt: skip
    if rest := [worker for _, worker in ordered[MOST_WORKERS:]]:
        slices, busy_s = sum(worker.slices for worker in rest), math.fsum(worker.busy_s for worker in rest)
        rows.append(
            row([th(number_of(len(rest), "more worker")), td("", "words"), td(f"{sum(w.series for w in rest):,}"),
                 td(f"{slices:,}"), td(f"{slices / busy_s if busy_s else 0:.1f}"), td(f"{busy_s / 3600:,.2f}"),
                 td(f"{math.fsum(worker.waiting_s for worker in rest) / 3600:,.2f}")])
        )  # fmt: skip
    columns = ["worker", "runs on", "series", "slices", "slices/s<br>while busy", "busy<br>h", "between<br>h"]
    return section(f"Workers: {len(ordered):,}", table_of(columns, rows, (1,)))
