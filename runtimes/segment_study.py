"""A CT study through a Segmenter, and its results as files: what `miniseg-segment` does with DICOM and NIfTI."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge import terminal
from miniseg_edge.errors import (
    HostLimitError,
    InferenceError,
    IntegrityError,
    OutputError,
    OutputExistsError,
    UsageError,
)
from miniseg_edge.files import replace_file
from miniseg_edge.images import png_from_pixels
from miniseg_edge.limits import host_limits
from miniseg_edge.neighbours import CHANNELS as NEIGHBOURS
from miniseg_edge.neighbours import with_neighbours
from miniseg_edge.preprocessing import ByteArray, FloatArray
from miniseg_edge.provenance import Provenance, stamped_png
from miniseg_edge.records import json_from_record
from miniseg_edge.runtimes.segmenter import Segmenter
from miniseg_edge.runtimes.unfinished import Done, Drawing
from miniseg_edge.studies.dicom_seg import dicom_seg_from_mask
from miniseg_edge.studies.findings import Findings, Ran, findings_from_counts, measured
from miniseg_edge.studies.nifti_mask import nifti_from_mask
from miniseg_edge.studies.pictures import contact_sheet, shown_indices, slice_picture
from miniseg_edge.studies.study import SliceHu, Study, digest_of, summarized

DICOM_SEG, NIFTI, PNG, JSON = "dicom-seg", "nifti", "png", "json"
FILES = {DICOM_SEG: "mask.dcm", NIFTI: "mask.nii.gz", PNG: "contact_sheet.png", JSON: "findings.json"}


@dataclass(frozen=True, eq=False)
class SegmentedStudy:
    """A study with its mask (D, H, W) uint8, in the order of its slices, and its findings."""

    study: Study
    mask: ByteArray
    findings: Findings


def drawing_of(study: Study, segmenter: Segmenter) -> Drawing:
    """What draws which study."""
    choice, digest = segmenter.choice, segmenter.bundle.manifest.digest
    what = (choice.entry.name, choice.device, choice.artifact.precision)
    return Drawing(digest, *what, len(study), (study.size[0], study.size[1]))


def segmented_study(
    study: Study, segmenter: Segmenter, progress: Callable[[int, int], None], earlier: Done | None = None
) -> SegmentedStudy:
    """Reads, segments and measures slice by slice, several at once; none is kept.

    A bundle with three channels gets each slice between its neighbours. The last one that was drawn earlier saw a slice
    whose hash nobody kept, so it is drawn again.

    Args:
        study: to segment.
        segmenter: that draws.
        progress: told after each slice, drawn or read again, how many are done, and of how many.
        earlier: slices that the same segmenter drew before; they are read again, and not drawn again.

    Raises:
        UsageError: the bundle has no window.
        IntegrityError: the first slices are not those that were drawn before.
        InferenceError, HostLimitError: its `partial` is a `Done` with the slices before the one that failed.
        Whatever `Study.read` and `Segmenter.segment_hu` raise.
    """
    mask = np.empty((len(study), *study.size), np.uint8)
    remarks: list[tuple[str, ...]] = [()] * len(study)
    hashes = [""] * len(study)
    between = segmenter.bundle.manifest.interface.channels == NEIGHBOURS
    start = done = 0 if earlier is None else max(0, len(earlier.mask) - between)

    def read_one(index: int) -> FloatArray:
        one: SliceHu = study.read(index)
        remarks[index], hashes[index] = one.remarks, one.sha256
        return one.voxels_hu

    read = with_neighbours(read_one, len(study)) if between else read_one

    def masks() -> Iterator[ByteArray]:
        nonlocal done
        if earlier is not None:
            mask[:start] = earlier.mask[:start]
            for index, drawn in enumerate(earlier.input_sha256):
                read_one(index)
                if hashes[index] != drawn:
                    raise IntegrityError(f"slice {index} is another one than was drawn", drawn, hashes[index])
                progress(min(index + 1, start), len(study))
        yield from mask[:start]
        for result in segmenter.segment_read_hu(read, range(start, len(study))):
            mask[done] = result.mask
            done += 1
            progress(done, len(study))
            yield mask[done - 1]

    try:
        with host_limits():
            counts = measured(masks())
    except (InferenceError, HostLimitError) as error:
        error.partial = Done(mask[:done], tuple(hashes[:done]))
        raise
    choice = segmenter.choice
    ran = Ran(
        runtime=choice.entry.name,
        device=choice.device,
        precision=choice.artifact.precision,
        bundle_digest=segmenter.bundle.manifest.digest,
        input_sha256=digest_of(hashes),
        remarks=(*study.remarks, *summarized(remarks), *(f"passed over: {why}" for why in choice.passed_over)),
    )
    return SegmentedStudy(study, mask, findings_from_counts(counts, study.geometry, ran))


def check_outputs(output: Path, formats: tuple[str, ...], study: Study, *, overwrite: bool) -> None:
    """Refuses before any work what could not be written after it.

    Raises:
        OutputExistsError, OutputError: a result is there already, or the output is a file.
        UsageError: a DICOM SEG of what is no DICOM.
    """
    if DICOM_SEG in formats and not study.origin.images:
        raise UsageError("a DICOM SEG refers to DICOM images", "a DICOM study", study.origin.format)
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is no folder", "a folder, or nothing yet", "a file")
    names = [FILES[name] for name in formats]
    names += [_overlay_name(index) for index in range(len(study))] if PNG in formats else []
    for path in (output / name for name in names):
        if path.exists() and not overwrite:
            raise OutputExistsError(f"{path} exists", "a new file", "", "Choose another --output or add --overwrite.")


def write_results(
    segmented: SegmentedStudy, segmenter: Segmenter, output: Path, formats: tuple[str, ...], *, shown: bool = True
) -> None:
    """Writes each format, every file whole or not at all; `shown` if somebody watches the progress.

    Raises: OutputError, and as the formats' own functions.
    """
    study, mask, ran = segmented.study, segmented.mask, segmented.findings.ran
    drawn_by = Provenance(ran.bundle_digest, ran.runtime, ran.device, ran.precision, ran.input_sha256)
    if DICOM_SEG in formats:
        dicom_seg = dicom_seg_from_mask(mask, study.origin, drawn_by.bundle_digest, drawn_by.short)
        replace_file(output / FILES[DICOM_SEG], dicom_seg)
    if NIFTI in formats:
        nifti = nifti_from_mask(mask, study.geometry, study.origin, drawn_by.nifti_stamp)
        replace_file(output / FILES[NIFTI], gzip.compress(nifti, mtime=0))
    if PNG in formats:
        _write_pictures(segmented, segmenter, output, drawn_by, shown=shown)
    if JSON in formats:
        replace_file(output / FILES[JSON], json_from_record(segmented.findings).encode())


def _write_pictures(
    segmented: SegmentedStudy, segmenter: Segmenter, output: Path, drawn_by: Provenance, *, shown: bool
) -> None:
    """An overlay of each slice, and the sheet."""
    study, mask, window = segmented.study, segmented.mask, segmenter.bundle.manifest.preprocessing.window
    assert window is not None  # noqa: S101  the study could not have been segmented without
    pixels = [int((one > 0).sum()) for one in mask]
    chosen, sheet, indices = set(shown_indices(pixels)), [], range(len(study))
    for index in terminal.track(indices, "pictures") if shown else indices:
        picture = slice_picture(study.read(index).voxels_hu, mask[index], window)
        replace_file(output / _overlay_name(index), stamped_png(png_from_pixels(picture), drawn_by))
        if index in chosen:
            area = pixels[index] * study.geometry.pixel_area_mm2
            sheet.append((f"{index}: {area:.0f} mm2" if pixels[index] else f"{index}", picture))
    replace_file(output / FILES[PNG], stamped_png(png_from_pixels(contact_sheet(sheet)), drawn_by))


def _overlay_name(index: int) -> str:
    return f"slice-{index:04d}_overlay.png"


def show(segmented: SegmentedStudy) -> None:
    """The findings in the terminal."""
    found = segmented.findings
    rows = [
        ("lesion volume", f"{found.lesion_volume_ml:.2f} ml"),
        ("lesions", f"{found.lesions}"),
        ("slices with findings", f"{len(found.slices_with_findings)} of {found.slices}"),
        ("result", "lesion" if found.finding else "no finding"),
    ]
    terminal.table("Findings", ("", ""), rows)
    for remark in found.ran.remarks:
        terminal.warn(remark)
