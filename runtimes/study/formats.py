"""The formats of a study's results, one row each; the command, its help and the archive use them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.runtimes.study import writers
from miniseg_edge.runtimes.study.writers import Result


@dataclass(frozen=True)
class Format:
    """A format of results.

    Attributes:
        name: the value of `--format`.
        file: its file in the output folder, or the folder of its files.
        says: its description in the help.
        write: writes it to the path of `file`.
        of_slice: file of a slice with this index, if there is one per slice.
        refers_to_dicom: whether it needs DICOM images, and what a SEG needs of them.
        brings: another format that it refers to, and which is written with it.
    """

    name: str
    file: str
    says: str
    write: Callable[[Result, Path], None]
    of_slice: Callable[[int], str] | None = None
    refers_to_dicom: bool = False
    brings: str | None = None

    def files(self, slices: int) -> list[str]:
        """All files that it may write for a study with this many slices."""
        if self.of_slice is None:
            return [self.file]
        each = [self.of_slice(index) for index in range(slices)]
        return each if self.file.endswith("/") else [self.file, *each]


DICOM_SEG, DICOM_SR, DICOM_SC = "dicom-seg", "dicom-sr", "dicom-sc"
NIFTI, PNG, HTML, JSON = "nifti", "png", "html", "json"

# DICOM first, because missing elements become remarks; findings last, because they contain the remarks.
_ROWS = (
    Format(DICOM_SEG, "mask.dcm", "a DICOM Segmentation", writers.write_dicom_seg, refers_to_dicom=True),
    Format(
        DICOM_SR, "report.dcm", "a DICOM structured report, with the SEG that it refers to", writers.write_dicom_sr,
        refers_to_dicom=True, brings=DICOM_SEG,
    ),
    Format(
        DICOM_SC, "captures/", "DICOM secondary captures with the lesion outlined", writers.write_dicom_sc,
        of_slice=lambda index: f"captures/{writers.capture_name(index)}", refers_to_dicom=True,
    ),
    Format(NIFTI, "mask.nii.gz", "a mask in the study's own grid", writers.write_nifti),
    Format(PNG, "contact_sheet.png", "overlays and a contact sheet", writers.write_pictures, writers.overlay_name),
    Format(HTML, "report.html", "a page to scroll through in a browser", writers.write_page),
    Format(JSON, "findings.json", "volume, lesions, remarks", writers.write_findings),
)  # fmt: skip

FORMATS = {row.name: row for row in _ROWS}
OF_SEG_FRAMES = (DICOM_SEG, DICOM_SR, DICOM_SC)
"""Formats to which `--seg-frames` applies."""


def with_brought(names: Iterable[str]) -> tuple[str, ...]:
    """Formats without duplicates, and those that they refer to."""
    found: dict[str, None] = {}
    for name in names:
        found |= {name: None}
        brought = FORMATS[name].brings if name in FORMATS else None
        found |= {} if brought is None else {brought: None}
    return tuple(found)


def chosen(names: Sequence[str]) -> tuple[Format, ...]:
    """The formats with these names, in the order in which they are written."""
    return tuple(row for row in _ROWS if row.name in names)


def in_words() -> str:
    """All of them, for a help text."""
    return "; ".join(f"{row.name}: {row.says}" for row in _ROWS)
