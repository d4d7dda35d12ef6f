"""DICOM files and folders: which series, which slices of it, in which order, and their HU."""

import functools
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from miniseg_edge.errors import (
    AmbiguousStudyError,
    GeometryError,
    InputError,
    NoImagesError,
    SeveralPatientsError,
    UnsupportedFormatError,
    WrongModalityError,
)
from miniseg_edge.studies.dicom_file import (
    Header,
    OpenedFile,
    PixelLayout,
    header_from_file,
    is_dicom,
    open_file,
    pixel_layout,
    stored_values,
)
from miniseg_edge.studies.dicom_frames import ENHANCED, KEYWORDS, DicomFrame, Rescale, frames_from_header, moved_frame
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.kinds import once_per_kind
from miniseg_edge.studies.stacking import stacked
from miniseg_edge.studies.study import SliceHu, Study
from miniseg_edge.studies.volume import AIR_HU, Origin, SourceImage, check_volume_budget, hu_from_stored

MAX_FILES = 100_000
_PATIENT_ID = 0x00100020

Headers = list[Header]


def study_from_dicom(source: Path, series: str | None, phase: int | None, rescale: Rescale | None) -> Study:
    """Opens the CT series at `source`, a file or a folder with any folders below; see `open_study`."""
    with distrusted(source.name):
        return _study([source] if source.is_file() else _files_below(source), source.name, series, phase, rescale)


def study_from_dicom_files(files: Sequence[Path], name: str, rescale: Rescale | None = None) -> Study:
    """Opens the CT series that these files are, wherever they lie; `name` is its in errors; see `open_study`."""
    with distrusted(name):
        return _study(list(files), name, None, None, rescale)


def _study(paths: list[Path], name: str, series: str | None, phase: int | None, rescale: Rescale | None) -> Study:
    headers, remarks = _headers(paths, name)
    _check_one_patient(headers)
    role_of = once_per_kind(_role)
    chosen = _one_series(headers, series, role_of)
    kept = [header for header in chosen if not role_of(header).localizer]
    if not kept:
        raise NoImagesError(f"{name} holds localizers alone", "CT slices", f"{len(chosen)} localizers")
    if len(kept) < len(chosen):
        remarks.append(f"localizers left out: {len(chosen) - len(kept)}")
    frames = _one_phase(_frames(kept, rescale), phase)
    _check_one_grid(frames)
    layouts = _layouts(kept)
    read = _Reader(frames, layouts)
    stack = stacked([f.plane for f in frames], lambda a, b: np.array_equal(read(a).voxels_hu, read(b).voxels_hu))
    ordered = [frames[i] for i in stack.order]
    if any(f.inverted_display for f in ordered):
        remarks.append("MONOCHROME1: HU are as stored, only their display is inverted")
    if any(f.lossy for f in ordered):
        remarks.append("the series was compressed with losses")
    images = tuple(
        SourceImage(f.path, f.sop_class_uid, f.sop_instance_uid, f.frame, f.plane.position_mm) for f in ordered
    )
    reader = _Reader(ordered, layouts)
    return Study(stack.geometry, Origin("dicom", images), ordered[0].size, (*remarks, *stack.remarks), reader)


class _Reader:
    """Reads slices; a multi-frame file stays open from one slice to the next."""

    def __init__(self, frames: list[DicomFrame], layouts: Mapping[Path, PixelLayout]) -> None:
        self._frames = frames
        self._layouts = layouts
        self._opened = functools.lru_cache(maxsize=1)(self._open)

    def __call__(self, index: int) -> SliceHu:
        frame = self._frames[index]
        with distrusted(frame.path.name):
            return self._slice(frame)

    def _slice(self, frame: DicomFrame) -> SliceHu:
        opened = self._opened(frame.path) if frame.sop_class_uid in ENHANCED else self._open(frame.path)
        values = stored_values(opened, frame.frame)
        hu, remarks = hu_from_stored(values, *frame.rescale)
        if frame.padding is not None:
            padded = (values >= frame.padding[0]) & (values <= frame.padding[1])  # type: ignore[operator]
            if padded.any():
                hu[padded] = AIR_HU
                remarks = (*remarks, f"padding read as air ({AIR_HU:g} HU)")
        if hu.min() == hu.max():
            remarks = (*remarks, "constant slice")
        return SliceHu(hu, remarks, opened.sha256)

    def _open(self, path: Path) -> OpenedFile:
        return open_file(path, self._layouts[path])


def _headers(paths: list[Path], name: str) -> tuple[Headers, list[str]]:
    if not paths:
        raise NoImagesError(f"{name} is empty", "DICOM files", "none")
    found = [path for path in paths if path.name != "DICOMDIR" and is_dicom(path)]
    if not found:
        raise UnsupportedFormatError(f"{name} is no study", "DICOM or NIfTI", f"{len(paths)} other files")
    left_out = len(paths) - len(found)
    remarks = [f"files that are no DICOM images left out: {left_out}"] if left_out else []
    return [header_from_file(path, KEYWORDS) for path in found], remarks


def _files_below(source: Path) -> list[Path]:
    found: list[Path] = []
    for folder, folders, names in os.walk(source, followlinks=False):
        folders.sort()
        found += [Path(folder) / name for name in sorted(names) if (Path(folder) / name).is_file()]
        if len(found) > MAX_FILES:
            raise InputError("the folder holds too many files", f"at most {MAX_FILES}", "more")
    return found


def _check_one_patient(headers: Headers) -> None:
    """Compares raw bytes, so that no identifier is converted, warned about or shown. Raises: SeveralPatientsError."""
    patients = {bytes(e.value or b"").strip() if isinstance(e.value, bytes | None) else str(e.value).encode()
                for header in headers if (e := header.dataset.get_item(_PATIENT_ID)) is not None}  # fmt: skip
    if len(patients) > 1:
        raise SeveralPatientsError("the study mixes patients", "one patient", f"{len(patients)}", "Split the folder.")


@dataclass(frozen=True)
class _Role:
    """What a file is to its study."""

    modality: str
    series: str
    image: bool
    localizer: bool


def _role(header: Header) -> _Role:
    said = header.dataset.get
    image_type = said("ImageType") or ()
    return _Role(
        modality=str(said("Modality", "none"))[:16],
        series=str(said("SeriesInstanceUID", "")),
        image=bool(said("Rows")),
        localizer="LOCALIZER" in ([image_type] if isinstance(image_type, str) else list(image_type)),
    )


def _one_series(headers: Headers, wanted: str | None, role_of: Callable[[Header], _Role]) -> Headers:
    images: dict[str, Headers] = defaultdict(list)
    modalities = set()
    for header in headers:
        role = role_of(header)
        modalities.add(role.modality)
        if role.modality == "CT" and role.image:
            images[role.series].append(header)
    if not images:
        raise WrongModalityError("the study is no CT", "Modality CT", ", ".join(sorted(modalities)))
    listed = "; ".join(f"{uid} ({len(files)} files)" for uid, files in sorted(images.items()))
    if wanted is not None:
        if wanted not in images:
            raise AmbiguousStudyError("no series has that UID", listed, wanted[:64])
        return images[wanted]
    if len(images) > 1:
        raise AmbiguousStudyError(
            f"the study holds {len(images)} CT series",
            "one, or a choice",
            listed,
            "Choose: --series UID, or series=UID.",
        )
    return next(iter(images.values()))


def _frames(headers: Headers, rescale: Rescale | None) -> list[DicomFrame]:
    frames_of = once_per_kind(lambda header: frames_from_header(header, rescale))
    found: list[DicomFrame] = []
    for header in headers:
        frames = frames_of(header)
        found += frames if header.kind is None else [moved_frame(frame, header) for frame in frames]
    return found


def _layouts(headers: Headers) -> dict[Path, PixelLayout]:
    layout_of = once_per_kind(pixel_layout)
    return {
        header.path: replace(layout_of(header), name=header.path.name, position=header.position, sha256=header.sha256)
        for header in headers
    }


def _one_phase(frames: list[DicomFrame], wanted: int | None) -> list[DicomFrame]:
    phases = sorted({f.phase for f in frames if f.phase is not None})
    if wanted is None and len(phases) > 1:
        raise AmbiguousStudyError(
            f"the series has {len(phases)} phases", "one, or a choice", ", ".join(map(str, phases[:20])),
            "Choose: --phase N, or phase=N.",
        )  # fmt: skip
    if wanted is not None and wanted not in phases:
        raise AmbiguousStudyError(
            "no such phase", ", ".join(map(str, phases[:20])) or "a series without phases", f"{wanted}"
        )
    return frames if wanted is None else [f for f in frames if f.phase == wanted]


def _check_one_grid(frames: list[DicomFrame]) -> None:
    sizes = sorted({f.size for f in frames})
    if len(sizes) > 1:
        raise GeometryError("the slices differ in size", "one size", ", ".join(f"{h} x {w}" for h, w in sizes[:8]))
    if len({f.frame_of_reference for f in frames}) > 1:
        raise GeometryError("the slices differ in their frame of reference", "one", "several")
    check_volume_budget(len(frames), *sizes[0])
