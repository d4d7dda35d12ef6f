"""Slices into one stack: ordered by where they lie, never by names or instance numbers, and checked for gaps."""

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

_Floats = npt.NDArray[np.float64]

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
    first = planes[0]
    places = np.array([plane.position_mm for plane in planes])
    directions = np.array([(plane.row_direction, plane.column_direction) for plane in planes])
    spacings = np.array([plane.pixel_spacing_mm for plane in planes])
    _check_sense(places, directions, spacings)
    _check_alike(directions, spacings)
    normal = np.cross(first.row_direction, first.column_direction)
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


def _check_sense(places: _Floats, directions: _Floats, spacings: _Floats) -> None:
    """Of positions (N, 3), row and column directions (N, 2, 3) and pixel spacings (N, 2). Raises: GeometryError."""
    if not (np.isfinite(places).all() and np.isfinite(directions).all()):
        raise GeometryError("a slice's position makes no sense", "finite numbers", "NaN or infinity")
    if (bad := ~(np.isfinite(spacings) & (spacings > 0)).all(axis=1)).any():
        spacing = " x ".join(f"{s:g}" for s in spacings[bad.argmax()])
        raise GeometryError("a slice's pixel spacing makes no sense", "finite mm above 0", spacing)
    lengths = np.linalg.norm(directions, axis=2)
    products = (directions[:, 0] * directions[:, 1]).sum(axis=1)
    off = np.maximum(np.abs(lengths - 1).max(axis=1), np.abs(products))
    if off[worst := off.argmax()] > _DIRECTION_TOLERANCE:
        row, column = lengths[worst]
        raise GeometryError(
            "a slice's orientation makes no sense",
            "two unit vectors at a right angle",
            f"lengths {row:.4g} and {column:.4g}, product {products[worst]:.4g}",
        )


def _check_alike(directions: _Floats, spacings: _Floats) -> None:
    """Of what `_check_sense` takes. Raises: GeometryError."""
    if np.abs(directions - directions[0]).max() > _DIRECTION_TOLERANCE:
        raise GeometryError("the slices are not parallel", "one orientation", "several")
    off = np.abs(spacings - spacings[0]).max(axis=1)
    if (off > _DIRECTION_TOLERANCE * spacings[0].min()).any():
        one, other = (f"{a:g} x {b:g}" for a, b in (spacings[0], spacings[off.argmax()]))
        raise GeometryError("the slices differ in pixel spacing", "one spacing", f"{one} and {other} mm")


def _without_twins(
    order: npt.NDArray[np.intp], heights: _Floats, same_pixels: Callable[[int, int], bool]
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


def _slice_spacing(heights: _Floats, places: _Floats, first: Plane) -> float:
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
