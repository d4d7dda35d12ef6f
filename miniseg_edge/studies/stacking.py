"""Stacks slices: orders them by position, never by names or instance numbers, and checks for gaps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import GeometryError, GeometryGapError, NoGeometryError, NotAxialError
from miniseg_edge.plurals import number_of
from miniseg_edge.studies.volume import TILT_DEGREES, Geometry, Plane, Point

SAME_POSITION_MM = 0.01
UNREMARKABLE_MM = 0.02
"""Deviations up to this are rounding of the headers' decimals."""

ALONG_MM = 0.1
"""How far a slice may be from its even position along the normal.

Scanners that round positions to 0.1 mm shift each slice and both ends of the stack by half of that. Never more than a
quarter of the spacing: if a slice is missing, some slice is off by half.
"""

SIDEWAYS_PIXELS = 0.25
"""How far a slice may be shifted in its plane, in pixels: invisible in a mask."""

TURNED_DEGREES = 0.15
AXIAL = 0.7
"""Minimum z component of an axial slice's normal: 45 degrees, more than any gantry tilts."""

_UNIT_TOLERANCE = 0.01
"""Direction cosines with two decimals deviate this much from unit vectors."""

SPARSE = 1.5
"""Maximum distance of slices, in thicknesses: beyond it, slices were skipped, or every other one was lost."""

_SPACING_TOLERANCE = 1e-3

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stack:
    """Planes in order: their indices from the first slice to the last, their geometry, and remarks."""

    order: tuple[int, ...]
    geometry: Geometry
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Even:
    """The evenly spaced positions closest to the slices' own.

    Attributes:
        step: (3,) mm from one slice to the next.
        along, sideways: (N,) mm that each slice deviates, along the normal and in its plane.
        spacing: mm between planes.
    """

    step: _Floats
    along: _Floats
    sideways: _Floats
    spacing: float


def stacked(planes: Sequence[Plane], same_pixels: Callable[[int, int], bool], *, longest_part: bool = False) -> Stack:
    """Orders planes along their common normal.

    Args:
        planes: one or more.
        same_pixels: whether two planes, by index, have the same pixels; only called for equal positions.
        longest_part: use the longest evenly spaced part of an uneven stack.

    Raises:
        NotAxialError: coronal or sagittal planes.
        GeometryError: planes are not parallel, are shifted sideways, differ in pixel spacing, or coincide.
        GeometryGapError: a slice is missing, or the slices are unevenly spaced.
        NoGeometryError: a single slice without thickness.
    """
    first = planes[0]
    places = np.array([plane.position_mm for plane in planes])
    spacings = np.array([plane.pixel_spacing_mm for plane in planes])
    _check_finite(places, spacings)
    directions = unit_directions(np.array([(plane.row_direction, plane.column_direction) for plane in planes]))
    _check_parallel(directions)
    _check_one_spacing(spacings)
    normal = np.cross(*directions[0])
    _check_axial(normal)
    heights = places @ normal
    order, remarks = _without_twins(np.argsort(heights, kind="stable"), heights, same_pixels)
    if longest_part:
        order, part = _longest_even(order, places, normal, first)
        remarks += part
    step, spacing, found = _even_steps(places[order], normal, first)
    geometry = Geometry(
        tuple(_point(places[order[0]] + index * step) for index in range(len(order))),
        _point(directions[0, 0]),
        _point(directions[0, 1]),
        first.pixel_spacing_mm,
        spacing,
    )
    if len(order) > 1 and first.thickness_mm is not None and spacing > SPARSE * first.thickness_mm > 0:
        found.append(
            f"slices of {first.thickness_mm:.3g} mm lie {spacing:.3g} mm apart: what is between them was not seen"
        )
    if geometry.tilt_degrees > TILT_DEGREES:
        found.append(f"tilted gantry: {geometry.tilt_degrees:.1f} degrees")
    return Stack(tuple(order), geometry, (*remarks, *found))


def _check_finite(places: _Floats, spacings: _Floats) -> None:
    """Of positions (N, 3) and pixel spacings (N, 2). Raises: GeometryError."""
    if not np.isfinite(places).all():
        raise GeometryError("a slice's position is invalid", expected="finite numbers", got="NaN or infinity")
    if (bad := ~(np.isfinite(spacings) & (spacings > 0)).all(axis=1)).any():
        spacing = " x ".join(f"{s:g}" for s in spacings[bad.argmax()])
        raise GeometryError("a slice's pixel spacing is invalid", expected="finite mm above 0", got=spacing)


def unit_directions(directions: _Floats) -> _Floats:
    """Row and column directions (N, 2, 3) as unit vectors at a right angle. Raises: GeometryError."""
    lengths = np.linalg.norm(directions, axis=2)
    products = (directions[:, 0] * directions[:, 1]).sum(axis=1)
    off = np.maximum(np.abs(lengths - 1).max(axis=1), np.abs(products))
    if not (off <= _UNIT_TOLERANCE).all():  # NaN is not
        worst = int(np.nan_to_num(off, nan=np.inf).argmax())
        row, column = lengths[worst]
        raise GeometryError(
            "a slice's orientation is invalid",
            expected="two unit vectors at a right angle",
            got=f"lengths {row:.4g} and {column:.4g}, product {products[worst]:.4g}",
        )
    rows = directions[:, 0] / lengths[:, :1]
    columns = directions[:, 1] - (rows * directions[:, 1]).sum(axis=1, keepdims=True) * rows
    return np.stack([rows, columns / np.linalg.norm(columns, axis=1, keepdims=True)], axis=1)


def _check_parallel(directions: _Floats) -> None:
    """Of unit directions (N, 2, 3). Raises: GeometryError."""
    chords = np.linalg.norm(directions - directions[0], axis=2).max(axis=1)
    degrees = math.degrees(2 * math.asin(min(1.0, float(chords.max()) / 2)))
    if degrees > TURNED_DEGREES:
        raise GeometryError(
            "the slices are not parallel",
            expected=f"at most {TURNED_DEGREES} degrees", got=f"{degrees:.2f} degrees",
            remedy="Put the files of each orientation into a separate folder, and segment each folder.",
        )  # fmt: skip


def _check_one_spacing(spacings: _Floats) -> None:
    """Of pixel spacings (N, 2). Raises: GeometryError."""
    off = np.abs(spacings - spacings[0]).max(axis=1)
    if (off > _SPACING_TOLERANCE * spacings[0].min()).any():
        one, other = (f"{a:g} x {b:g}" for a, b in (spacings[0], spacings[off.argmax()]))
        raise GeometryError("the slices differ in pixel spacing", expected="one spacing", got=f"{one} and {other} mm")


def _check_axial(normal: _Floats) -> None:
    if abs(normal[2]) < AXIAL:
        kind = "coronal" if abs(normal[1]) > abs(normal[0]) else "sagittal"
        raise NotAxialError(
            f"the slices are {kind}", expected="axial slices, as the network was trained on",
            got=f"a normal {math.degrees(math.acos(min(1.0, abs(float(normal[2]))))):.0f} degrees off the body's axis",
            remedy="Use the axial series of the study, or reconstruct one.",
        )  # fmt: skip


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
                "two different slices have the same position", expected="one slice per position",
                got=f"several at {heights[index]:.2f} mm along the normal",
                remedy="Put the files of each scan and reconstruction into a separate folder.",
            )  # fmt: skip
    return kept, [f"slices that were there twice left out: {dropped}"] if dropped else []


def _even_steps(places: _Floats, normal: _Floats, first: Plane) -> tuple[_Floats, float, list[str]]:
    """The step (3,) between ordered slices, the planes' distance, both in mm, and remarks. Raises: as `stacked`."""
    if len(places) == 1:
        if first.thickness_mm is None:
            raise NoGeometryError("a single slice has no thickness", expected="a slice thickness in mm", got="none")
        return normal * first.thickness_mm, first.thickness_mm, []
    even, sideways_mm = _even(places, normal, first), _sideways_mm(first)
    if np.abs(even.along).max() > _along_mm(even.spacing):
        raise _gap(places @ normal)
    if (worst := int(even.sideways.argmax())) >= 0 and even.sideways[worst] > sideways_mm:
        raise GeometryError(
            "some slices are shifted sideways",
            expected=f"at most {sideways_mm:.3g} mm, a quarter of a pixel",
            got=f"{even.sideways[worst]:.3g} mm at {float(places[worst] @ normal):.2f} mm along the normal",
            remedy="Fetch the series again, or reconstruct it with one field of view.",
        )  # fmt: skip
    off = (("along the normal", np.abs(even.along).max()), ("sideways", even.sideways.max()))
    remarks = [f"slices lie up to {mm:.2f} mm off their even places {way}" for way, mm in off if mm > UNREMARKABLE_MM]
    return even.step, even.spacing, remarks


def _even(places: _Floats, normal: _Floats, first: Plane) -> _Even:
    """The closest even positions for two or more ordered ones."""
    heights, count = places @ normal, np.arange(len(places))
    spacing = float(heights[-1] - heights[0]) / (len(places) - 1)
    across = places - np.outer(heights, normal)
    across -= across[0]
    shift = across[-1] / (len(places) - 1)
    straight, leaning = (np.linalg.norm(one, axis=1) for one in (across, across - np.outer(count, shift)))
    # A drift within the tolerance is rounding. A tilted gantry shifts all slices equally, so that a line fits well; if
    # the patient moved once, half of the shift remains.
    tilted = straight.max() > _sideways_mm(first) and leaning.max() < straight.max() / 2
    step, sideways = (normal * spacing + shift, leaning) if tilted else (normal * spacing, straight)
    return _Even(step, heights - heights[0] - count * spacing, sideways, spacing)


def _along_mm(spacing: float) -> float:
    return max(min(ALONG_MM, spacing / 4), UNREMARKABLE_MM) + 1e-6  # decimals are not binary fractions


def _sideways_mm(first: Plane) -> float:
    return SIDEWAYS_PIXELS * min(first.pixel_spacing_mm)


def _gap(heights: _Floats) -> GeometryGapError:
    steps = np.diff(heights)
    usual = float(np.median(steps))
    worst = int(np.abs(steps - usual).argmax())
    # As many decimals as needed to show the difference.
    digits = next((d for d in (2, 3) if f"{usual:.{d}f}" != f"{steps[worst]:.{d}f}"), 4)
    return GeometryGapError(
        "a slice is missing or the slices are unevenly spaced along their normal",
        expected=f"{usual:.{digits}f} mm between slices",
        got=f"{steps[worst]:.{digits}f} mm between the slices at {heights[worst]:.{digits}f} mm and "
        f"{heights[worst + 1]:.{digits}f} mm",
        remedy="Fetch the series again, or segment its longest evenly spaced part: --part, or longest_part=True.",
    )  # fmt: skip


def _longest_even(order: list[int], places: _Floats, normal: _Floats, first: Plane) -> tuple[list[int], list[str]]:
    """The longest run of evenly spaced slices, the first of equals, and a remark if it is not all of them."""
    best, start = (0, 1), 0
    for end in range(1, len(order) + 1):
        while end - start > 1 and not _is_even(places[order[start:end]], normal, first):
            start += 1
        if end - start > best[1] - best[0]:
            best = (start, end)
    if best == (0, len(order)):
        return order, []
    kept = order[best[0] : best[1]]
    return kept, [f"only the longest evenly spaced part was taken: {len(kept)} of {number_of(len(order), 'slice')}"]


def _is_even(places: _Floats, normal: _Floats, first: Plane) -> bool:
    if len(places) == 2:
        return True
    even = _even(places, normal, first)
    return bool(np.abs(even.along).max() <= _along_mm(even.spacing) and even.sideways.max() <= _sideways_mm(first))


def _point(vector: npt.NDArray[np.float64]) -> Point:
    return float(vector[0]), float(vector[1]), float(vector[2])
