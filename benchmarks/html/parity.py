"""Slice by slice: which masks differ from the reference's, and how."""

import base64
from collections.abc import Mapping, Sequence

from miniseg_edge.benchmarks.html.disagreement import Disagreement
from miniseg_edge.benchmarks.html.words import NONE, bold, count_in_words, dice_in_words, look, named
from miniseg_edge.benchmarks.plots import ARTIFACT_COLOUR, CHANGED_COLOUR, REFERENCE_COLOUR, Entry, thumbnail
from miniseg_edge.benchmarks.report import SliceAccuracy
from miniseg_edge.benchmarks.tables import DIFFERENT_LESION
from miniseg_edge.pages.pieces import row, section, table_of, td, th
from miniseg_edge.printable import in_html

_MATRIX_COLUMNS = 6


def parity_section(shown: Sequence[Entry], disagreements: Sequence[Disagreement]) -> str:
    """Dice and changed pixels of every slice, and pictures of the worst."""
    body = _matrices(shown) + _thumbnails(shown, disagreements)
    return section("Slice by slice", body, "page") if body else ""


def _matrices(shown: Sequence[Entry]) -> str:
    """Slices by configurations, the worst slices first; several tables if one would be too wide for paper."""
    by_name = [{judged.name: judged for judged in entry.result.slices} for entry in shown]
    worst: dict[str, tuple[float, int]] = {}
    for judged in (judged for found in by_name for judged in found.values()):
        dice, changed = worst.get(judged.name, (1.0, 0))
        worst[judged.name] = min(dice, judged.dice), min(changed, -judged.changed_pixels)
    if not worst:
        return ""
    order = sorted(worst, key=lambda name: (worst[name], name))
    tables = []
    for start in range(0, len(shown), _MATRIX_COLUMNS):
        part = slice(start, start + _MATRIX_COLUMNS)
        columns = ["slice", "lesion<br>pixels", *(_matrix_head(entry) for entry in shown[part])]
        tables.append(table_of(columns, [row(_matrix_cells(name, by_name, part)) for name in order]))
    note = (
        "Dice against the reference and, where there are any, the changed pixels; the worst slices first. Lesion "
        f"pixels: the reference&rsquo;s. &#10007; marks a Dice below {DIFFERENT_LESION:g}."
    )
    return f'<p class="note">{note}</p>' + "".join(tables)


def _matrix_head(entry: Entry) -> str:
    return f'<span class="wrap">{named(entry, tag=False)}</span>'


def _matrix_cells(name: str, by_name: Sequence[Mapping[str, SliceAccuracy]], part: slice) -> list[str]:
    lesion = next(found[name].reference_lesion_pixels for found in by_name if name in found)
    return [
        th(in_html(name)),
        td(count_in_words(lesion)),
        *(_matrix_cell(found.get(name)) for found in by_name[part]),
    ]


def _matrix_cell(judged: SliceAccuracy | None) -> str:
    if judged is None:
        return td(NONE)
    changed = f"<br><small>{count_in_words(judged.changed_pixels)} px</small>" if judged.changed_pixels else ""
    if judged.dice < DIFFERENT_LESION:
        return td(f"&#10007; {dice_in_words(judged.dice)}{changed}", "bad")
    return td(dice_in_words(judged.dice) + changed)


def _thumbnails(shown: Sequence[Entry], disagreements: Sequence[Disagreement]) -> str:
    if not disagreements:
        if shown and not any(entry.result.changed_pixels for entry in shown):
            return "<p>Every configuration segments every slice exactly as the reference does.</p>"
        return ""
    looks = {entry.result.name: entry for entry in shown}
    names = [*looks, *(found.result for found in disagreements if found.result not in looks)]
    groups = []
    for name in dict.fromkeys(names):
        pictures = "".join(_picture(found) for found in disagreements if found.result == name)
        if pictures:
            groups.append(f'<h3>{look(name, looks)}</h3>\n<div class="thumbnails">{pictures}</div>')
    return "<h3>The worst slices</h3>" + _legend() + "\n".join(groups)


def _legend() -> str:
    return (
        '<ul class="legend">'
        f'<li><i class="line" style="color: {REFERENCE_COLOUR}"></i>outline of the reference</li>'
        f'<li><i class="dashes" style="color: {ARTIFACT_COLOUR}"></i>outline of the configuration, dashed</li>'
        f'<li><i style="background: {CHANGED_COLOUR}"></i>changed pixels</li></ul>'
    )


def _picture(found: Disagreement) -> str:
    png = base64.b64encode(thumbnail(found.image, found.reference, found.artifact)).decode("ascii")
    bad = ' <span class="bad-word">&#10007; another lesion</span>' if found.dice < DIFFERENT_LESION else ""
    words = f"slice {found.slice_name}: masks of the reference and of {found.result}"
    return (
        f'<figure><img src="data:image/png;base64,{png}" alt="{in_html(words)}">'
        f"<figcaption>{bold(found.slice_name)}<br>Dice {dice_in_words(found.dice)}, "
        f"{count_in_words(found.changed_pixels)} px changed{bad}</figcaption></figure>\n"
    )
