"""Slices into one stack: ordered by where they lie, never by names or instance numbers, and checked for gaps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import GeometryError, GeometryGapError, NoGeometryError
from miniseg_edge.studies.volume import TILT_DEGREES, Geometry, Point

SAME_POSITION_MM = 0.01
RELATIVE_TOLERANCE = 0.02
ABSOLUTE_TOLERANCE_MM = 0.02
"""Scanners round positions; steps that differ by more than both tolerances are no rounding."""

_DIRECTION_TOLERANCE = 1e-3
_AXIAL = 0.7


@dataclass(frozen=True)
class Plane:
    """Where one slice lies, in mm, in patient coordinates; `thickness_mm` is None where nobody says."""

    position_mm: Point
    row_direction: Point
    column_direction: Point
    pixel_spacing_mm: tuple[float, float]
    thickness_mm: float | None


@dataclass(frozen=True)
class Stack:
    """Planes in order: which of them, from the first slice to the last, their geometry, and remarks."""

    order: tuple[int, ...]
    geometry: Geometry
    remarks: tuple[str, ...]


def stacked(planes: Sequence[Plane], same_pixels: Callable[[int, int], bool]) -> Stack:
    """Orders planes along their common normal.

    Args:
        planes: one or more.
        same_pixels: whether two planes, by index, hold the same pixels; asked only about equal positions.

    Raises:
        GeometryError: planes that are not parallel, differ in spacing, lie on each other or make no sense.
        GeometryGapError: a slice is missing, or they are unevenly spaced.
        NoGeometryError: a single slice without thickness.
    """
    for plane in planes:
        _check_plane(plane)
    _check_alike(planes)
    first = planes[0]
    normal = np.cross(first.row_direction, first.column_direction)
    places = np.array([plane.position_mm for plane in planes])
    heights = places @ normal
    order, remarks = _without_twins(np.argsort(heights, kind="stable"), heights, same_pixels)
    geometry = Geometry(
        tuple(planes[i].position_mm for i in order),
        first.row_direction,
        first.column_direction,
        first.pixel_spacing_mm,
        _slice_spacing(heights[order], places[order], first),
    )
    if geometry.tilt_degrees > TILT_DEGREES:
        remarks.append(f"tilted gantry: {geometry.tilt_degrees:.1f} degrees")
    if abs(normal[2]) < _AXIAL:
        remarks.append("the slices are not axial; the network was trained on axial ones")
    return Stack(tuple(order), geometry, tuple(remarks))


def _check_plane(plane: Plane) -> None:
    numbers = (*plane.position_mm, *plane.row_direction, *plane.column_direction)
    if not all(math.isfinite(number) for number in numbers):
        raise GeometryError("a slice's position makes no sense", "finite numbers", "NaN or infinity")
    if not all(math.isfinite(s) and s > 0 for s in plane.pixel_spacing_mm):
        spacing = " x ".join(f"{s:g}" for s in plane.pixel_spacing_mm)
        raise GeometryError("a slice's pixel spacing makes no sense", "finite mm above 0", spacing)
    row, column = np.asarray(plane.row_direction), np.asarray(plane.column_direction)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(row @ column)) > _DIRECTION_TOLERANCE:
        raise GeometryError(
            "a slice's orientation makes no sense",
            "two unit vectors at a right angle",
            f"lengths {lengths[0]:.4g} and {lengths[1]:.4g}, product {row @ column:.4g}",
        )


def _check_alike(planes: Sequence[Plane]) -> None:
    first = planes[0]
    for plane in planes[1:]:
        turned = np.abs(np.subtract((*plane.row_direction, *plane.column_direction),
                                    (*first.row_direction, *first.column_direction))).max()  # fmt: skip
        if turned > _DIRECTION_TOLERANCE:
            raise GeometryError("the slices are not parallel", "one orientation", "several")
        if not np.allclose(plane.pixel_spacing_mm, first.pixel_spacing_mm, rtol=_DIRECTION_TOLERANCE, atol=0):
            got = f"{first.pixel_spacing_mm} and {plane.pixel_spacing_mm} mm"
            raise GeometryError("the slices differ in pixel spacing", "one spacing", got)


def _without_twins(
    order: npt.NDArray[np.intp], heights: npt.NDArray[np.float64], same_pixels: Callable[[int, int], bool]
) -> tuple[list[int], list[str]]:
    """One of each group of equal positions, if their pixels are equal too. Raises: GeometryError."""
    kept: list[int] = [int(order[0])]
    dropped = 0
    for index in map(int, order[1:]):
        if heights[index] - heights[kept[-1]] > SAME_POSITION_MM:
            kept.append(index)
        elif same_pixels(kept[-1], index):
            dropped += 1
        else:
            raise GeometryError(
                "two different slices lie at one position", "one slice a position",
                f"several at {heights[index]:.2f} mm along the normal",
                "Choose one phase or reconstruction of the series.",
            )  # fmt: skip
    return kept, [f"slices that were there twice left out: {dropped}"] if dropped else []


def _slice_spacing(heights: npt.NDArray[np.float64], places: npt.NDArray[np.float64], first: Plane) -> float:
    if len(heights) == 1:
        if first.thickness_mm is None:
            raise NoGeometryError("a single slice has no thickness", "a slice thickness in mm", "none")
        return first.thickness_mm
    steps = np.diff(places, axis=0)
    usual = np.median(steps, axis=0)
    spacing = float(np.median(np.diff(heights)))
    tolerance = max(RELATIVE_TOLERANCE * spacing, ABSOLUTE_TOLERANCE_MM)
    off = np.linalg.norm(steps - usual, axis=1)
    if (worst := int(off.argmax())) >= 0 and off[worst] > tolerance:
        raise GeometryGapError(
            "a slice is missing or the slices are unevenly spaced", f"{spacing:.2f} mm between slices",
            f"{heights[worst + 1] - heights[worst]:.2f} mm between the slices at {heights[worst]:.2f} mm and "
            f"{heights[worst + 1]:.2f} mm along the normal",
            "Fetch the series again, or hand over its evenly spaced part.",
        )  # fmt: skip
    return float((heights[-1] - heights[0]) / (len(heights) - 1))
