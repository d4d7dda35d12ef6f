"""A study, its mask and its findings as one page: slices to scroll through, projections, areas, remarks.

The page's policy only allows its own style and script, identified by their hashes, and embedded pictures; it loads
nothing from the network. All header text goes through `in_html`; the script only reads numbers and pictures.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from miniseg_edge.printable import in_html
from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies.findings import Findings
from miniseg_edge.studies.reports.page.chart import chart
from miniseg_edge.studies.reports.page.compared import Overlap, overlap_of
from miniseg_edge.studies.reports.page.pixels import KNOTS, jpeg_of_slice, projection, runs_of_mask, shown_size
from miniseg_edge.studies.reports.page.viewer import viewer
from miniseg_edge.studies.reports.windows import LUNG, SOFT_TISSUE
from miniseg_edge.studies.reports.words import RESEARCH_ONLY
from miniseg_edge.studies.study import Progress, Study

_AIR_HU = -1000.0
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, eq=False)
class Other:
    """A second result to show next to ours.

    Attributes:
        name: its display name.
        mask: index of a slice -> (H, W), lesion above 0.
    """

    name: str
    mask: Callable[[int], npt.NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class _Slices:
    """The texts for each slice, in order."""

    images: list[str]
    ours: list[list[int]]
    other: list[list[int]]
    overlaps: list[Overlap]
    coronal: str
    sagittal: str


def html_from_study(
    study: Study,
    mask: ByteArray,
    findings: Findings,
    *,
    patient: Sequence[tuple[str, str]] = (),
    other: Other | None = None,
    progress: Progress | None = None,
) -> str:
    """The page.

    Args:
        study: whose slices are read again, one by one.
        mask: (D, H, W) uint8, lesion above 0.
        findings: of the mask.
        patient: the patient data to show, names and values; nothing by default.
        other: a second result, shown next to ours with the differences.
        progress: called after each slice with (done, total).

    Raises: as `Study.read` and `other.mask`.

    Thread-safety: no state is shared.
    """
    slices = _read(study, mask, other, progress)
    style, script = (_own(name) for name in ("page.css", "page.js"))
    policy = _POLICY.format(style=_hash(style), script=_hash(script))
    parts = (
        _head(patient), viewer(len(study), None if other is None else other.name),
        _chart(study, findings, slices.overlaps, other),
        f'<div class="facts">{_findings(study, findings, slices.overlaps, other)}{_drawn_by(findings)}</div>',
        _remarks(findings),
        f'<script type="application/json" id="data">{_json(_data(study, findings, slices, other))}</script>',
        f"<script>{script}</script>",
    )  # fmt: skip
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>MiniSeg Edge: lesions in a chest CT</title>\n"
        f"<style>{style}</style>\n</head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _own(name: str) -> str:
    return files("miniseg_edge.studies.reports.page").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(study: Study, mask: ByteArray, other: Other | None, progress: Progress | None) -> _Slices:
    shown = shown_size(study.size)
    found = _Slices([], [], [], [], "", "")
    front, side = [], []
    for index, ours in enumerate(mask):
        slice_hu = study.read(index).voxels_hu
        found.images.append(jpeg_of_slice(slice_hu, shown))
        found.ours.append(runs_of_mask(ours, shown))
        dense = np.maximum(slice_hu, _AIR_HU)
        front.append(dense.mean(axis=0, dtype=np.float64)[:: shown.times])
        side.append(dense.mean(axis=1, dtype=np.float64)[:: shown.times])
        if other is not None:
            theirs = (np.asarray(other.mask(index)) > 0).astype(np.uint8)
            found.other.append(runs_of_mask(theirs, shown))
            found.overlaps.append(overlap_of(ours, theirs))
        if progress is not None:
            progress(index + 1, len(mask))
    return _Slices(found.images, found.ours, found.other, found.overlaps, projection(front), projection(side))


def _json(data: dict[str, object]) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def _data(study: Study, findings: Findings, slices: _Slices, other: Other | None) -> dict[str, object]:
    """The data for the script; it contains no untrusted text."""
    geometry, shown = study.geometry, shown_size(study.size)
    rows_mm, columns_mm = (spacing * shown.times for spacing in geometry.pixel_spacing_mm)
    return {
        "size": shown.size,
        "spacing": [geometry.slice_spacing_mm, rows_mm, columns_mm],
        "knots": KNOTS,
        "windows": {"lung": [LUNG.low_hu, LUNG.high_hu], "soft": [SOFT_TISSUE.low_hu, SOFT_TISSUE.high_hu]},
        "areas": _areas(findings),
        "images": slices.images,
        "ours": slices.ours,
        "other": None if other is None else slices.other,
        "dice": [round(one.dice, 4) for one in slices.overlaps],
        "coronal": slices.coronal,
        "sagittal": slices.sagittal,
    }


def _head(patient: Sequence[tuple[str, str]]) -> str:
    named = " &middot; ".join(f"{in_html(name)} <b>{in_html(value)}</b>" for name, value in patient)
    about = f'<p class="patient">{named}</p>' if named else ""
    return f'<header><h1>Lesions in a chest CT</h1><p class="research" role="note">{RESEARCH_ONLY}</p>{about}</header>'


def _chart(study: Study, findings: Findings, overlaps: Sequence[Overlap], other: Other | None) -> str:
    area = study.geometry.pixel_area_mm2
    theirs = [(one.both + one.other_alone) * area for one in overlaps]
    which = f'<p class="keys">Bars: this result. Line: {in_html(other.name)}.</p>' if other else ""
    return f"<section><h2>Area by slice</h2>{chart(_areas(findings), theirs)}{which}</section>"


def _findings(study: Study, findings: Findings, overlaps: Sequence[Overlap], other: Other | None) -> str:
    volume = study.geometry.voxel_volume_ml
    facts = [
        ("Result", "lesion found" if findings.finding else "no lesion found"),
        ("Lesion volume", f"{findings.lesion_volume_ml:.2f} ml"),
        ("Lesions", f"{findings.lesions}"),
        ("Slices with lesion", f"{len(findings.slices_with_findings)} of {findings.slices}"),
    ]
    if other is not None:
        total = sum(overlaps, Overlap(0, 0, 0))
        facts += [
            (f"Volume of {other.name}", f"{(total.both + total.other_alone) * volume:.2f} ml"),
            ("In both", f"{total.both * volume:.2f} ml"),
            ("In this result alone", f"{total.ours_alone * volume:.2f} ml"),
            (f"In {other.name} alone", f"{total.other_alone * volume:.2f} ml"),
            ("Dice", f"{total.dice:.4f}"),
        ]
    return f"<section><h2>Findings</h2>{_list(facts)}</section>"


def _areas(findings: Findings) -> list[float]:
    """Of the lesion in each slice, in mm2."""
    found = {one.index: one.area_mm2 for one in findings.slices_with_findings}
    return [found.get(index, 0.0) for index in range(findings.slices)]


def _drawn_by(findings: Findings) -> str:
    ran = findings.ran
    facts = [
        ("Bundle", ran.bundle_digest), ("Runtime", ran.runtime), ("Precision", ran.precision),
        ("Device", ran.device), ("Input, SHA-256", ran.input_sha256),
    ]  # fmt: skip
    return f"<section><h2>What drew it</h2>{_list(facts)}</section>"


def _remarks(findings: Findings) -> str:
    remarks = "".join(f"<li>{in_html(remark)}</li>" for remark in findings.ran.remarks)
    body = f"<ul>{remarks}</ul>" if remarks else "<p>None.</p>"
    return f"<section><h2>Remarks</h2>{body}</section>\n<footer>{RESEARCH_ONLY}. Made by MiniSeg Edge.</footer>"


def _list(facts: Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{in_html(name)}</dt><dd>{in_html(value)}</dd>' for name, value in facts)}</dl>"
