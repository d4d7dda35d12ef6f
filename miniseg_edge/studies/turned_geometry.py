"""Where slices are after turning, and where they were before."""

from miniseg_edge.studies.turning import Turn
from miniseg_edge.studies.volume import Geometry, Plane, Point


def upright_plane(plane: Plane, size: tuple[int, int], turn: Turn) -> Plane:
    """A slice's position after turning.

    Args:
        plane: of the slice as stored.
        size: (H, W) as stored.
        turn: of the slice.
    """
    row, column, spacing = plane.row_direction, plane.column_direction, plane.pixel_spacing_mm
    if turn.transposed:
        row, column, spacing, size = column, row, spacing[::-1], size[::-1]
    position = plane.position_mm
    if turn.rows_reversed:
        position, column = _moved(position, column, (size[0] - 1) * spacing[0]), _opposite(column)
    if turn.columns_reversed:
        position, row = _moved(position, row, (size[1] - 1) * spacing[1]), _opposite(row)
    return Plane(position, row, column, (spacing[0], spacing[1]), plane.thickness_mm)


def stored_geometry(geometry: Geometry, size: tuple[int, int], turn: Turn) -> Geometry:
    """The geometry of the stack as stored, ordered along its own normal.

    Args:
        geometry: of the upright volume.
        size: (H, W) of its slices.
        turn: the turn that made them upright.
    """
    row, column, spacing = geometry.row_direction, geometry.column_direction, geometry.pixel_spacing_mm
    positions = geometry.positions_mm[:: -1 if turn.mirrored else 1]
    if turn.columns_reversed:
        positions = tuple(_moved(one, row, (size[1] - 1) * spacing[1]) for one in positions)
        row = _opposite(row)
    if turn.rows_reversed:
        positions = tuple(_moved(one, column, (size[0] - 1) * spacing[0]) for one in positions)
        column = _opposite(column)
    if turn.transposed:
        row, column, spacing = column, row, (spacing[1], spacing[0])
    return Geometry(positions, row, column, spacing, geometry.slice_spacing_mm)


def _moved(position: Point, direction: Point, distance_mm: float) -> Point:
    x, y, z = (p + d * distance_mm for p, d in zip(position, direction, strict=True))
    return x, y, z


def _opposite(direction: Point) -> Point:
    # 0.0 - x: a zero stays a positive one.
    return 0.0 - direction[0], 0.0 - direction[1], 0.0 - direction[2]
