"""The volumes in a series: usually one, or several if a series contains more than one scan, phase or reconstruction.

Slices of two kernels are never combined, even if they alternate so evenly that they would form one volume. Neither are
slices of two complete acquisitions of one body part: the patient breathed between them. Other slices of two
acquisitions or image types are combined, with a remark, if they form one even stack, as in a series scanned in steps.
Otherwise they are split by acquisition, image type, or both, if that gives complete volumes.
"""

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from miniseg_edge.errors import AmbiguousStudyError, GeometryError, InputError
from miniseg_edge.studies.dicom.file import Header, PixelLayout, pixel_layout
from miniseg_edge.studies.dicom.frames import DicomFrame, Rescale, frames_from_header, moved_frame
from miniseg_edge.studies.dicom.kinds import once_per_kind
from miniseg_edge.studies.dicom.reader import SliceReader
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.source_files import SourceFile
from miniseg_edge.studies.stacking import Stack, stacked
from miniseg_edge.studies.turned_geometry import upright_plane
from miniseg_edge.studies.turning import UPRIGHT, Turn, turn_of
from miniseg_edge.studies.volume import check_volume_budget

LEAST_SLICES = 3
"""Minimum slices in each of several volumes: fewer are steps of one scan, and its fault is a missing slice."""

Frames = Sequence[DicomFrame]
Layouts = Mapping[SourceFile, PixelLayout]


@dataclass(frozen=True)
class Reading:
    """The user's choices for reading a study.

    Attributes:
        series: which one, as in `open_study`; None if there is only one.
        phase: of a time series, or None.
        rescale: slope and intercept that replace the headers', or None.
        longest_part: use the longest evenly spaced part of an uneven series.
    """

    series: str | None = None
    phase: int | None = None
    rescale: Rescale | None = None
    longest_part: bool = False


@dataclass(frozen=True, eq=False)
class Stacked:
    """Frames that form one volume.

    Attributes:
        frames: in the order of the stack.
        turn: the turn that makes the slices upright.
        stack: of the upright planes.
        layouts: of the frames' files.
        remarks: about the volume.
    """

    frames: Frames
    turn: Turn
    stack: Stack
    layouts: Layouts
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SeriesVolume:
    """One volume in a series, or why its slices form none.

    Attributes:
        kernel: of the reconstruction; "" if unknown.
        slices: how many there are.
        made: the volume, or the error.
    """

    kernel: str
    slices: int
    made: Stacked | InputError


def volumes_of(headers: Sequence[Header], reading: Reading) -> list[SeriesVolume]:
    """The volumes in one series' images. If none can be segmented, the result contains the reason.

    Raises:
        MissingDependencyError; OSError: raised by the operating system.
    """
    try:
        with distrusted(headers[0].file.name):
            frames = _one_phase(_frames(headers, reading.rescale), reading.phase)
            layouts = _layouts(headers)
            return [
                SeriesVolume(str(kernel), len(part), made)
                for kernel, of_kernel in _grouped(frames, lambda frame: frame.kernel).items()
                for part, made in _parts(of_kernel, layouts, reading)
            ]
    except InputError as error:
        return [SeriesVolume("", len(headers), error)]


def _parts(frames: Frames, layouts: Layouts, reading: Reading) -> list[tuple[Frames, Stacked | InputError]]:
    """Frames of one kernel as one volume if they form one, or as several if a property separates complete ones."""
    whole = _made(frames, layouts, reading)
    if isinstance(whole, Stacked):
        return _interleaved(frames, layouts, reading) or [(frames, whole)]
    for key in _TOLD_APART_BY:
        groups: list[Frames] = list(_grouped(frames, key).values())
        if _may_be_volumes(groups) and (key is _acquisition or _overlap(groups)):
            parts = [(group, _made(group, layouts, reading)) for group in groups]
            if all(isinstance(made, Stacked) for _, made in parts):
                return parts
    return [(frames, whole)]


def _interleaved(frames: Frames, layouts: Layouts, reading: Reading) -> list[tuple[Frames, Stacked | InputError]]:
    """The acquisitions of frames that form one even stack, if each is complete and they overlap; otherwise none."""
    groups: list[Frames] = list(_grouped(frames, _acquisition).values())
    numbered = all(frame.acquisition is not None for frame in frames)
    if not (numbered and _may_be_volumes(groups) and _overlap(groups)):
        return []
    parts = [(group, _made(group, layouts, reading)) for group in groups]
    return parts if all(isinstance(made, Stacked) for _, made in parts) else []


def _acquisition(frame: DicomFrame) -> Hashable:
    return frame.acquisition


_TOLD_APART_BY: tuple[Callable[[DicomFrame], Hashable], ...] = (
    _acquisition,
    lambda frame: frame.image_type,
    lambda frame: (frame.acquisition, frame.image_type),
)


def _may_be_volumes(groups: Sequence[Frames]) -> bool:
    return len(groups) > 1 and min(map(len, groups)) >= LEAST_SLICES


def _overlap(groups: Sequence[Frames]) -> bool:
    """Whether two groups show the same body part: different image types alone do not make two scans."""
    normal = np.cross(groups[0][0].plane.row_direction, groups[0][0].plane.column_direction)
    ends = sorted((min(heights), max(heights)) for group in groups
                  if (heights := [float(np.dot(frame.plane.position_mm, normal)) for frame in group]))  # fmt: skip
    return any(above[0] < below[1] for below, above in itertools.pairwise(ends))


def _made(frames: Frames, layouts: Layouts, reading: Reading) -> Stacked | InputError:
    try:
        return _stacked(frames, layouts, longest_part=reading.longest_part)
    except InputError as error:
        return error


def _stacked(frames: Frames, layouts: Layouts, *, longest_part: bool) -> Stacked:
    """Raises: InputError, GeometryError and subclasses."""
    _check_one_grid(frames)
    first = frames[0].plane
    turn = turn_of(first.row_direction, first.column_direction)
    planes = [upright_plane(frame.plane, frame.size, turn) for frame in frames]
    read = SliceReader(frames, layouts, turn)
    stack = stacked(
        planes, lambda a, b: np.array_equal(read(a).voxels_hu, read(b).voxels_hu), longest_part=longest_part
    )
    ordered = [frames[index] for index in stack.order]
    return Stacked(ordered, turn, stack, layouts, tuple(_remarks(ordered, turn)))


def _remarks(frames: Frames, turn: Turn) -> list[str]:
    found = []
    if turn != UPRIGHT:
        found.append("stored rotated or mirrored: turned for the network, and results are turned back")
    for what, values in (
        ("acquisitions", {frame.acquisition for frame in frames}),
        ("image types", {frame.image_type for frame in frames}),
    ):
        if len(values) > 1:
            found.append(f"slices of {len(values)} {what} make one even stack, and were taken as one volume")
    if any(frame.inverted_display for frame in frames):
        found.append("MONOCHROME1: HU are as stored, only their display is inverted")
    if any(frame.lossy for frame in frames):
        found.append("the series was compressed with losses")
    return found


def _grouped(frames: Frames, key: Callable[[DicomFrame], Hashable]) -> dict[Hashable, list[DicomFrame]]:
    """Frames grouped by a property, in the order of its values."""
    found: dict[Hashable, list[DicomFrame]] = {}
    for frame in frames:
        found.setdefault(key(frame), []).append(frame)
    return dict(sorted(found.items(), key=lambda group: str(group[0])))


def _frames(headers: Sequence[Header], rescale: Rescale | None) -> list[DicomFrame]:
    frames_of = once_per_kind(lambda header: frames_from_header(header, rescale))
    found: list[DicomFrame] = []
    for header in headers:
        frames = frames_of(header)
        found += frames if header.kind is None else [moved_frame(frame, header) for frame in frames]
    return found


def _layouts(headers: Sequence[Header]) -> dict[SourceFile, PixelLayout]:
    layout_of = once_per_kind(pixel_layout)
    return {
        header.file: replace(
            layout_of(header), name=header.file.name, form=header.form, position=header.position, sha256=header.sha256
        )
        for header in headers
    }


def _one_phase(frames: Frames, wanted: int | None) -> Frames:
    phases = sorted({f.phase for f in frames if f.phase is not None})
    if wanted is None and len(phases) > 1:
        raise AmbiguousStudyError(
            f"the series has {len(phases)} phases", expected="one, or a choice", got=", ".join(map(str, phases[:20])),
            remedy="Choose with --phase N or phase=N.",
        )  # fmt: skip
    if wanted is not None and wanted not in phases:
        raise AmbiguousStudyError(
            "the phase does not exist",
            expected=", ".join(map(str, phases[:20])) or "a series without phases",
            got=f"{wanted}",
        )
    return frames if wanted is None else [f for f in frames if f.phase == wanted]


def _check_one_grid(frames: Frames) -> None:
    sizes = sorted({f.size for f in frames})
    if len(sizes) > 1:
        raise GeometryError(
            "the slices differ in size", expected="one size", got=", ".join(f"{h} x {w}" for h, w in sizes[:8])
        )
    if len({f.frame_of_reference for f in frames} - {""}) > 1:
        raise GeometryError("the slices differ in their frame of reference", expected="one", got="several")
    check_volume_budget(len(frames), *sizes[0])
