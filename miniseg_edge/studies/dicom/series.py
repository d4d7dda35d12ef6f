"""Opens a DICOM source as a study: sorts its files and chooses the volume."""

from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.studies.dicom.body_parts import other_part
from miniseg_edge.studies.dicom.choice import Chosen, SeriesSummary, chosen, summaries
from miniseg_edge.studies.dicom.dicomdir import (
    doubt_about,
    is_dicomdir,
    listed_in,
    missing_error,
    missing_images,
    paths_beside,
)
from miniseg_edge.studies.dicom.frames import said, words
from miniseg_edge.studies.dicom.headers import sorted_headers
from miniseg_edge.studies.dicom.reader import SliceReader
from miniseg_edge.studies.dicom.volumes import Reading
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.source_files import FoundFiles, SourceFile, files_at
from miniseg_edge.studies.study import Study
from miniseg_edge.studies.volume import Origin, SourceImage


def study_from_dicom(source: Path, reading: Reading) -> Study:
    """Opens a volume at `source`: a file, a folder with subfolders, or a zip; see `open_study`."""
    with distrusted(source.name):
        found = files_at(source)
        return _study(found.files, source.name, reading, _about(found))


def study_from_dicom_files(files: Sequence[SourceFile], name: str, reading: Reading) -> Study:
    """Opens the volume in these files; `name` is for messages; see `open_study`."""
    with distrusted(name):
        return _study(files, name, reading, ())


def series_in_dicom(source: Path, reading: Reading) -> tuple[SeriesSummary, ...]:
    """The volumes of a study; see `list_series`."""
    with distrusted(source.name):
        return summaries(sorted_headers(files_at(source).files, source.name).images, reading)


def _study(files: Sequence[SourceFile], name: str, reading: Reading, remarks: Sequence[str]) -> Study:
    found = sorted_headers(files, name)
    choice = chosen(found.images, reading)
    dicomdirs = [file for file in files if is_dicomdir(file.name)]
    for dicomdir in dicomdirs:
        paths = paths_beside(dicomdir, files)
        if missing := missing_images(listed_in(dicomdir), choice.uid, found.present, paths):
            raise missing_error(missing)
    doubts = dict.fromkeys(filter(None, map(doubt_about, dicomdirs)))
    made = choice.made
    images = tuple(
        SourceImage(f.file, f.sop_class_uid, f.sop_instance_uid, f.frame, f.plane.position_mm) for f in made.frames
    )
    height, width = made.frames[0].size
    stack = made.stack
    return Study(
        geometry=stack.geometry,
        origin=Origin("dicom", images, turn=made.turn),
        size=(width, height) if made.turn.transposed else (height, width),
        remarks=(
            *(*remarks, *found.remarks, *choice.remarks, *made.remarks),
            *(*stack.remarks, *stack.geometry.remarks, *_body_part(choice), *doubts),
        ),
        _read=SliceReader(made.frames, made.layouts, made.turn),
    )


def _about(found: FoundFiles) -> tuple[str, ...]:
    return (f"links to folders that were not followed: {found.links}",) if found.links else ()


def _body_part(choice: Chosen) -> tuple[str, ...]:
    part = other_part(" ".join(words(said(choice.headers[0].dataset, "BodyPartExamined"))))
    return () if part is None else (f"the header names {part}; the network was trained on chest CT",)
