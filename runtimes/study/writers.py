"""Writes a study's results: every file completely or not at all."""

import gzip
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.console import terminal
from miniseg_edge.host.files import replace_file
from miniseg_edge.runtimes.study.segmented import SegmentedStudy
from miniseg_edge.slices.images import png_from_pixels
from miniseg_edge.slices.preprocessing import Window
from miniseg_edge.studies.nifti.mask import nifti_from_mask
from miniseg_edge.studies.pictures import contact_sheet, shown_indices, slice_picture
from miniseg_edge.studies.provenance import Provenance, stamped_png
from miniseg_edge.studies.reports.dicom_sc import dicom_sc_from_slice
from miniseg_edge.studies.reports.dicom_sr import dicom_sr_from_findings
from miniseg_edge.studies.reports.page.page import Other, html_from_study
from miniseg_edge.studies.seg.dicom_seg import SegFrames, chosen_slices, dicom_seg_from_mask
from miniseg_edge.studies.seg.seg_sources import SegSources


@dataclass(frozen=True, eq=False)
class PageChoice:
    """Further content of a page.

    Attributes:
        patient: names and values; nothing by default.
        other: a second result.
    """

    patient: tuple[tuple[str, str], ...] = ()
    other: Other | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """What writers write from.

    Attributes:
        segmented: the study, its mask and its findings.
        window: of the bundle.
        seg_frames: slices in DICOM SEG and secondary captures.
        seg: what DICOM results need of their sources; None if there are none.
        shown: whether to display progress.
        page: further content of the page.
    """

    segmented: SegmentedStudy
    window: Window
    seg_frames: SegFrames
    seg: SegSources | None
    shown: bool
    page: PageChoice = field(default_factory=PageChoice)

    @cached_property
    def drawn_by(self) -> Provenance:
        """What every result says."""
        ran = self.segmented.findings.ran
        return Provenance(ran.bundle_digest, ran.runtime, ran.device, ran.precision, ran.input_sha256)

    @property
    def sources(self) -> SegSources:
        """What DICOM results need; only used by their writers."""
        assert self.seg is not None  # noqa: S101  they are omitted if there are none
        return self.seg

    @cached_property
    def dicom_seg(self) -> bytes:
        """The SEG that a structured report refers to. Raises: DicomSegError."""
        drawn_by = self.drawn_by
        return dicom_seg_from_mask(
            self.segmented.mask, self.sources, drawn_by.bundle_digest, drawn_by.short, frames=self.seg_frames
        )


def write_dicom_seg(result: Result, path: Path) -> None:
    """Raises: DicomSegError, OutputError."""
    replace_file(path, result.dicom_seg)


def write_dicom_sr(result: Result, path: Path) -> None:
    """Raises: DicomSegError, OutputError."""
    segmented = result.segmented
    report = dicom_sr_from_findings(segmented.findings, segmented.mask, result.sources, result.dicom_seg)
    replace_file(path, report)


def write_dicom_sc(result: Result, folder: Path) -> None:
    """One file for each of the SEG's slices; those of an earlier mask are removed.

    Raises: DicomSegError, OutputError.
    """
    study, mask, drawn_by = result.segmented.study, result.segmented.mask, result.drawn_by
    chosen = chosen_slices(mask, result.seg_frames)
    for path in {folder / capture_name(index) for index in range(len(mask)) if index not in chosen}:
        path.unlink(missing_ok=True)
    for index in terminal.track(chosen, "captures") if result.shown else chosen:
        capture = dicom_sc_from_slice(
            study.read(index).voxels_hu,
            mask[index],
            index,
            result.sources,
            bundle_digest=drawn_by.bundle_digest,
            ran=drawn_by.short,
        )
        replace_file(folder / capture_name(index), capture)


def write_nifti(result: Result, path: Path) -> None:
    """Raises: OutputError."""
    study = result.segmented.study
    nifti = nifti_from_mask(result.segmented.mask, study.geometry, study.origin, result.drawn_by.nifti_stamp)
    replace_file(path, gzip.compress(nifti, mtime=0))


def write_pictures(result: Result, path: Path) -> None:
    """An overlay of each slice next to `path`, and the sheet at `path`. Raises: OutputError."""
    study, mask = result.segmented.study, result.segmented.mask
    pixels = [int((one > 0).sum()) for one in mask]
    chosen, sheet, indices = set(shown_indices(pixels)), [], range(len(study))
    for index in terminal.track(indices, "pictures") if result.shown else indices:
        slice_hu, drawn = (
            np.ascontiguousarray(study.origin.turn.stored(one)) for one in (study.read(index).voxels_hu, mask[index])
        )
        picture = slice_picture(slice_hu, drawn, result.window)
        replace_file(path.parent / overlay_name(index), stamped_png(png_from_pixels(picture), result.drawn_by))
        if index in chosen:
            area = pixels[index] * study.geometry.pixel_area_mm2
            sheet.append((f"{index}: {area:.0f} mm2" if pixels[index] else f"{index}", picture))
    replace_file(path, stamped_png(png_from_pixels(contact_sheet(sheet)), result.drawn_by))


def write_page(result: Result, path: Path) -> None:
    """Raises: OutputError, and as `Study.read`."""
    segmented, page = result.segmented, result.page
    with terminal.counted("page", len(segmented.mask)) if result.shown else nullcontext() as progress:
        text = html_from_study(
            segmented.study,
            segmented.mask,
            segmented.findings,
            patient=page.patient,
            other=page.other,
            progress=progress,
        )
    replace_file(path, text.encode())


def write_findings(result: Result, path: Path) -> None:
    """Raises: OutputError."""
    replace_file(path, json_from_record(result.segmented.findings).encode())


def overlay_name(index: int) -> str:
    """Of a slice's picture."""
    return f"slice-{index:04d}_overlay.png"


def capture_name(index: int) -> str:
    """Of a slice's secondary capture."""
    return f"slice-{index:04d}.dcm"
