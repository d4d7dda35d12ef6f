"""Determines what the input of `miniseg-segment` is, pictures or a study, and that nothing is written into it."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from miniseg_edge.errors import NoImagesError, UsageError
from miniseg_edge.runtimes.study.formats import DICOM_SEG, FORMATS, HTML, OF_SEG_FRAMES
from miniseg_edge.runtimes.study.writers import PageChoice
from miniseg_edge.slices.images import IMAGE_SUFFIXES
from miniseg_edge.studies.dicom.dicomdir import is_dicomdir
from miniseg_edge.studies.dicom.file import is_dicom
from miniseg_edge.studies.labels.of_studies import study_labels
from miniseg_edge.studies.nifti.names import is_nifti_name
from miniseg_edge.studies.reports.page.page import Other
from miniseg_edge.studies.reports.page.patient import patient_of
from miniseg_edge.studies.seg.dicom_seg import RANGE, SegFrames
from miniseg_edge.studies.study import Study

Kind = Literal["images", "study"]


def kind_of(source: Path) -> Kind:
    """Whether `source` is segmented as pictures or as a study.

    A file's suffix decides. A folder with slices of a study is a study; a few pictures in it are ignored.

    Raises:
        NoImagesError: the source does not exist; similar names are shown.
        UsageError: a folder has more pictures than slices of a study, so that either may be meant.
    """
    if not source.exists():
        raise _missing(source)
    if source.is_file():
        return "images" if source.suffix.lower() in IMAGE_SUFFIXES else "study"
    pictures = [path for path in source.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        return "study"
    slices = 0
    for path in source.rglob("*"):
        slices += path.suffix.lower() not in IMAGE_SUFFIXES and path.is_file() and _belongs_to_a_study(path)
        if slices >= len(pictures):
            return "study"
    if slices:
        raise UsageError(
            "the folder contains both pictures and a study", expected="one of them",
            got=f"{len(pictures)} pictures, and {slices} DICOM or NIfTI files",
            remedy="Name a file, or move the pictures elsewhere.",
        )  # fmt: skip
    return "images"


def output_folder(given: Path | None) -> Path:
    """The output folder. Raises: UsageError if it is missing; only --list needs none."""
    if given is None:
        raise UsageError("no output folder was given", expected="--output DIR", got="none")
    return given


def seg_frames_of(chosen: SegFrames | None, formats: Sequence[str]) -> SegFrames:
    """The slices of DICOM results. Raises: UsageError if they were chosen for other formats."""
    if chosen is not None and not set(OF_SEG_FRAMES) & set(formats):
        raise UsageError(
            "--seg-frames only applies to a DICOM SEG", expected=f"--format {DICOM_SEG}", got=", ".join(formats)
        )
    return chosen or RANGE


def page_of(study: Study, formats: Sequence[str], compare: Path | None, *, name_patient: bool) -> PageChoice:
    """Further content of the page, read before any work.

    Raises:
        UsageError: content was chosen without a page, or the study names no patient. InputError and its subclasses: the
            mask does not exist, or belongs to another study; see `study_labels`.
    """
    if HTML not in formats and (compare is not None or name_patient):
        raise UsageError(
            "--compare and --name-patient only apply to a page", expected=f"--format {HTML}", got=", ".join(formats)
        )
    if compare is not None and not compare.exists():
        raise _missing(compare, "a NIfTI mask, a DICOM SEG, or a folder with one of them")
    other = None if compare is None else Other(compare.name, study_labels(study, compare))
    return PageChoice(patient_of(study.origin) if name_patient else (), other)


def check_apart(source: Path, output: Path, kind: Kind) -> None:
    """Refuses an output folder where results would be read as input the next time, or would overwrite it.

    Raises:
        UsageError: the output is the input folder, or is inside a study's folder; or a result would overwrite the
            input.
    """
    inside, outside = output.resolve(), source.resolve()
    if not source.is_dir() and not is_dicomdir(source.name):
        if kind == "study" and inside == outside.parent and source.name in {row.file for row in FORMATS.values()}:
            raise UsageError("a result would overwrite the input", expected="another --output", got=source.name)
        return
    outside = outside if source.is_dir() else outside.parent
    if inside == outside or (kind == "study" and inside.is_relative_to(outside)):
        raise UsageError(
            "the output folder overlaps the input folder", expected="another --output", got=output.name or str(output),
            remedy="The next run would read the results as input.",
        )  # fmt: skip


def _belongs_to_a_study(path: Path) -> bool:
    return is_nifti_name(path.name) or is_dicom(path)


def _missing(source: Path, wanted: str = "an image, a DICOM file or folder, or a NIfTI file") -> NoImagesError:
    """Suggests entries with similar names: usually one letter is wrong."""
    folder = source.parent
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(source.name, there, n=3)
    remedy = f"Did you mean {' or '.join(near)}?" if near else "Check the path."
    return NoImagesError(f"{source} does not exist", expected=wanted, got="nothing there", remedy=remedy)
