"""Opens NIfTI (.nii, .nii.gz) as a study or as labels, turned to lie like a CT series whatever the storage order."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import AmbiguousStudyError, GeometryError, InputError, NotAxialError, WrongModalityError
from miniseg_edge.host.dependencies import require
from miniseg_edge.slices.preprocessing import FloatArray
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.nifti.file import nifti_from_file
from miniseg_edge.studies.nifti.header import NiftiHeader
from miniseg_edge.studies.nifti.place import place_from_forms
from miniseg_edge.studies.source_files import SourceFile
from miniseg_edge.studies.stacking import AXIAL
from miniseg_edge.studies.study import SliceHu, Study
from miniseg_edge.studies.volume import (
    AIR_HU,
    TILT_DEGREES,
    Affine,
    Geometry,
    NiftiLayout,
    Origin,
    Point,
    check_volume_budget,
    hu_from_stored,
    hu_in_range,
)

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MAX_PIXEL_RATIO = 2.0
"""Maximum ratio of an axial pixel's sides; beyond it, the volume was stacked from coronal or sagittal slices."""
MAX_SLICES = 2**16
"""Each slice takes memory before it is read; a body has a thousand."""
LABEL_INTENTS = (1002, 1003)
"""NIFTI_INTENT_LABEL and NIFTI_INTENT_NEURONAME."""

_RIGHT_ANGLE = 1e-3


@dataclass(frozen=True, eq=False)
class _Grid:
    """A file's voxels, (column, row, slice) as in a CT series, and their position."""

    header: NiftiHeader
    voxels: npt.NDArray[np.generic]
    geometry: Geometry
    layout: NiftiLayout
    sha256: str
    remarks: tuple[str, ...]

    def stored(self, index: int) -> npt.NDArray[np.generic]:
        """A slice (H, W) in stored values."""
        return self.voxels[:, :, index].T

    def study(self, read: Callable[[int], SliceHu]) -> Study:
        """The grid with a function that reads its slices."""
        size = (int(self.voxels.shape[1]), int(self.voxels.shape[0]))
        remarks = (*self.remarks, *self.geometry.remarks)
        return Study(self.geometry, Origin("nifti", layout=self.layout), size, remarks, read)


def study_from_nifti(file: SourceFile, phase: int | None) -> Study:
    """Opens a NIfTI file of HU. NaN, which writers put around the scanned area, is read as air. See `open_study`."""
    grid = _grid(file, phase)
    if grid.header.intent in LABEL_INTENTS:
        raise WrongModalityError(
            f"{file.name} is a label map by its header's intent", expected="CT in HU", got="labels"
        )
    _check_axial(grid.geometry, file.name)
    if all(_missing(grid.stored(index)).all() for index in range(grid.voxels.shape[2])):
        raise InputError(f"{file.name} contains no HU", expected="finite values", got="only NaN")
    return grid.study(lambda index: _hu(grid, index))


def labels_from_nifti(file: SourceFile) -> Study:
    """Opens a NIfTI file of labels: its slices contain the stored values. Raises: as `open_study`."""
    grid = _grid(file, None)
    return grid.study(lambda index: _labels(grid, index))


def _hu(grid: _Grid, index: int) -> SliceHu:
    stored, header = grid.stored(index), grid.header
    missing = _missing(stored)
    hu, remarks = _scaled(np.where(missing, 0, stored) if missing.any() else stored, header)
    if missing.any():
        hu[missing] = AIR_HU
        remarks = (*remarks, f"NaN read as air ({AIR_HU:g} HU)")
    if hu.min() == hu.max():
        remarks = (*remarks, "constant slice")
    return SliceHu(np.ascontiguousarray(hu), remarks, grid.sha256)


def _labels(grid: _Grid, index: int) -> SliceHu:
    values, remarks = _scaled(grid.stored(index), grid.header)
    return SliceHu(np.ascontiguousarray(values), remarks, grid.sha256)


def _missing(stored: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    return np.isnan(stored) if stored.dtype.kind == "f" else np.zeros(stored.shape, np.bool_)


def _grid(file: SourceFile, phase: int | None) -> _Grid:
    stored = nifti_from_file(file)
    header = stored.header
    place = place_from_forms(header.forms, header.grid, file.name)
    raw = _one_phase(stored.voxels, phase)
    with distrusted(file.name):
        orientations = require("nibabel", "dicom").orientations
        lps = orientations.axcodes2ornt("LPS")
        axes = orientations.io_orientation(place.affine)
        turn, back = orientations.ornt_transform(axes, lps), orientations.ornt_transform(lps, axes)
        voxels = orientations.apply_orientation(raw, turn)
        affine = RAS_FROM_LPS @ place.affine @ orientations.inv_ornt_aff(turn, raw.shape)
    _check_budget(voxels.shape, file.name)
    geometry = _geometry(affine, voxels.shape[2], file.name)
    layout = NiftiLayout(place.forms, header.grid, tuple((float(axis), float(flip)) for axis, flip in back))
    remarks = (*stored.remarks, *place.remarks, *_tilt(geometry))
    return _Grid(header, voxels, geometry, layout, stored.sha256, remarks)


def _check_budget(shape: tuple[int, ...], name: str) -> None:
    """Checks (columns, rows, slices): the file's own axis order does not identify its slices. Raises: InputError."""
    width, height, depth = shape
    check_volume_budget(depth, height, width)
    if depth > MAX_SLICES:
        raise InputError(f"{name} has too many slices", expected=f"at most {MAX_SLICES}", got=f"{depth}")


def _one_phase(raw: npt.NDArray[np.generic], phase: int | None) -> npt.NDArray[np.generic]:
    phases = int(np.prod(raw.shape[3:]))
    if phases > 1 and phase is None:
        raise AmbiguousStudyError(
            f"the file has {phases} phases",
            expected="one, or a choice",
            got=f"0..{phases - 1}",
            remedy="Choose with --phase N or phase=N.",
        )
    if not 0 <= (phase or 0) < phases:
        raise AmbiguousStudyError("the phase does not exist", expected=f"0..{phases - 1}", got=f"{phase}")
    return raw.reshape((*raw.shape[:3], phases), order="F")[..., phase or 0]


def _geometry(affine: Affine, depth: int, name: str) -> Geometry:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    row, column, step = affine[:3, 0] / lengths[0], affine[:3, 1] / lengths[1], affine[:3, 2]
    if abs(row @ column) > _RIGHT_ANGLE:
        angle = np.degrees(np.arccos(row @ column))
        raise GeometryError(
            f"the slices of {name} are sheared",
            expected="rows and columns at a right angle",
            got=f"{angle:.2f} degrees",
        )
    spacing = float(step @ np.cross(row, column))
    positions = tuple(_point(affine[:3, 3] + k * step) for k in range(depth))
    return Geometry(positions, _point(row), _point(column), (float(lengths[1]), float(lengths[0])), spacing)


def _tilt(geometry: Geometry) -> tuple[str, ...]:
    tilt = geometry.tilt_degrees
    return (f"tilted gantry: {tilt:.1f} degrees",) if tilt > TILT_DEGREES else ()


def _check_axial(geometry: Geometry, name: str) -> None:
    """Refuses slices that are not axial, and volumes stacked from others: few thick rows or columns.

    Raises:
        NotAxialError.
    """
    remedy = "Hand over the axial series, or resample the volume to axial slices."
    if abs(geometry.normal[2]) < AXIAL:
        degrees = np.degrees(np.arccos(abs(geometry.normal[2])))
        raise NotAxialError(
            f"the slices of {name} are not axial",
            expected="a normal within 45 degrees of the body's axis",
            got=f"{degrees:.0f}",
            remedy=remedy,
        )
    rows, columns = geometry.pixel_spacing_mm
    if max(rows, columns) > MAX_PIXEL_RATIO * min(rows, columns):
        raise NotAxialError(
            f"{name} is a stack of {'coronal' if rows > columns else 'sagittal'} slices",
            expected="axial slices, or voxels of nearly one size",
            got=f"axial pixels of {columns:.3g} x {rows:.3g} mm",
            remedy=remedy,
        )


def _scaled(stored: npt.NDArray[np.generic], header: NiftiHeader) -> tuple[FloatArray, tuple[str, ...]]:
    """Stored values in HU, as `hu_in_range`."""
    if stored.dtype.kind != "f":
        return hu_from_stored(stored, header.slope, header.intercept)
    with np.errstate(over="ignore", invalid="ignore"):  # infinity is reported as an error
        return hu_in_range(stored.astype(np.float64) * header.slope + header.intercept)


def _point(v: npt.NDArray[np.float64]) -> Point:
    return float(v[0]), float(v[1]), float(v[2])
