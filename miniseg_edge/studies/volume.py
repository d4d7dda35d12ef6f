"""The volume: slices in HU, their position in the patient, and their origin.

Coordinates are DICOM's patient coordinates in mm: x to the patient's left, y to the back, z to the head.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import GeometryError, InputError
from miniseg_edge.slices.preprocessing import FloatArray, check_pixel_budget
from miniseg_edge.studies.source_files import SourceFile
from miniseg_edge.studies.turning import UPRIGHT, Turn

AIR_HU = -1000.0
LOW_HU, HIGH_HU = -32768.0, 32767.0
"""The range of 16-bit CT pixels. No tissue and no metal lies outside; values are clipped to it."""

MAX_VOXELS = 2**31
"""Limit for one volume: 8192 slices of 512 x 512, 8 GiB as float32."""

TILT_DEGREES = 0.1
"""Smaller angles between stack and normal are rounding in the slices' positions."""

PLAUSIBLE_PIXEL_MM, PLAUSIBLE_SLICE_MM = (0.05, 5.0), (0.1, 20.0)
"""Plausible distances between pixels and between slices: fields of view of 25 mm to 2.5 m on 512 pixels."""

Point = tuple[float, float, float]
Affine = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """Position of one slice, in mm; `thickness_mm` is None if unknown. Other attributes as in `Geometry`."""

    position_mm: Point
    row_direction: Point
    column_direction: Point
    pixel_spacing_mm: tuple[float, float]
    thickness_mm: float | None


@dataclass(frozen=True)
class Geometry:
    """Positions of the slices, in mm.

    Attributes:
        positions_mm: centre of each slice's first voxel, from the first slice to the last.
        row_direction: unit vector in which the column index grows.
        column_direction: unit vector in which the row index grows.
        pixel_spacing_mm: between rows, between columns.
        slice_spacing_mm: between the planes of neighbouring slices, along their normal.
    """

    positions_mm: tuple[Point, ...]
    row_direction: Point
    column_direction: Point
    pixel_spacing_mm: tuple[float, float]
    slice_spacing_mm: float

    def __post_init__(self) -> None:
        for name, value in (("pixel", min(self.pixel_spacing_mm)), ("slice", self.slice_spacing_mm)):
            if not (math.isfinite(value) and value > 0):
                raise GeometryError(f"the {name} spacing is invalid", expected="finite mm above 0", got=f"{value:g}")

    @property
    def remarks(self) -> tuple[str, ...]:
        """Implausible properties for a CT, each once; lesion volumes in ml depend on them."""
        checked = (
            *(("pixel", spacing, PLAUSIBLE_PIXEL_MM) for spacing in dict.fromkeys(self.pixel_spacing_mm)),
            ("slice", self.slice_spacing_mm, PLAUSIBLE_SLICE_MM),
        )
        return tuple(
            f"implausible {name} spacing of {spacing:.3g} mm, {low:g}..{high:g} expected: volumes in ml may be wrong"
            for name, spacing, (low, high) in checked
            if not low <= spacing <= high
        )

    @property
    def normal(self) -> Point:
        """Unit vector across the slices, in stacking direction."""
        return _point(np.cross(self.row_direction, self.column_direction))

    @property
    def step_mm(self) -> Point:
        """From one slice's first voxel to the next one's; not along the normal if the gantry was tilted."""
        if len(self.positions_mm) == 1:
            return _point(np.asarray(self.normal) * self.slice_spacing_mm)
        first, last = np.asarray(self.positions_mm[0]), np.asarray(self.positions_mm[-1])
        return _point((last - first) / (len(self.positions_mm) - 1))

    @property
    def tilt_degrees(self) -> float:
        """Angle between the stack and the slices' normal; 0 except for a tilted gantry."""
        step = np.asarray(self.step_mm)
        return math.degrees(math.acos(min(1.0, float(step @ np.asarray(self.normal)) / float(np.linalg.norm(step)))))

    @property
    def pixel_area_mm2(self) -> float:
        """Area of a pixel."""
        return self.pixel_spacing_mm[0] * self.pixel_spacing_mm[1]

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of a voxel in ml: pixel area times the distance between planes, tilted or not."""
        return self.pixel_area_mm2 * self.slice_spacing_mm / 1000.0

    @property
    def affine(self) -> Affine:
        """(4, 4) float64: (column, row, slice, 1) -> (x, y, z, 1) in mm, in patient coordinates."""
        found = np.eye(4)
        found[:3, 0] = np.asarray(self.row_direction) * self.pixel_spacing_mm[1]
        found[:3, 1] = np.asarray(self.column_direction) * self.pixel_spacing_mm[0]
        found[:3, 2] = self.step_mm
        found[:3, 3] = self.positions_mm[0]
        return found


@dataclass(frozen=True)
class SourceImage:
    """The DICOM object, and the frame in it from 0, that a slice came from, and its position as stored."""

    file: SourceFile
    sop_class_uid: str
    sop_instance_uid: str
    frame: int
    position_mm: Point


@dataclass(frozen=True)
class NiftiForms:
    """The voxels' position in a NIfTI header, in the header's own unit.

    Attributes:
        sform_code, qform_code: above 0 if the form is present.
        sform: three rows of four numbers, array index -> place.
        pixdim: the sign of the third axis in the qform, and the voxel's size.
        quaternion, offset: b, c and d of the qform's rotation, and the first voxel's place.
        units: NIFTI_UNITS code of lengths and times.
    """

    sform_code: int
    sform: tuple[tuple[float, ...], ...]
    qform_code: int
    pixdim: tuple[float, ...]
    quaternion: tuple[float, ...]
    offset: tuple[float, ...]
    units: int


@dataclass(frozen=True)
class NiftiLayout:
    """How a NIfTI file stores its voxels, so that a mask can have the same layout.

    Attributes:
        forms: for the mask's header; a form that cannot express the volume's affine has the code 0.
        shape: of the file's array, three axes.
        orientation: nibabel's transform from (column, row, slice) to the file's axes, one (axis, flip) a row.
    """

    forms: NiftiForms
    shape: tuple[int, int, int]
    orientation: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Origin:
    """Where a volume came from.

    Attributes:
        format: what was read.
        images: DICOM only, one per slice.
        layout: NIfTI only.
        turn: DICOM only: the turn that made the stored slices upright.
    """

    format: Literal["dicom", "nifti", "array"]
    images: tuple[SourceImage, ...] = ()
    layout: NiftiLayout | None = None
    turn: Turn = UPRIGHT


@dataclass(frozen=True, eq=False)
class Volume:
    """A stack of CT slices.

    Attributes:
        voxels_hu: (D, H, W) float32, HU, finite; slice by slice along the geometry's normal.
        geometry: in mm.
        origin: where it came from.
        remarks: what was corrected or is worth knowing, such as padding read as air; usually empty.
        sha256: of the input, in hex; "" for arrays.
    """

    voxels_hu: FloatArray
    geometry: Geometry
    origin: Origin
    remarks: tuple[str, ...] = ()
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.voxels_hu.ndim != 3 or len(self.voxels_hu) != len(self.geometry.positions_mm):
            got = f"{self.voxels_hu.shape} and {len(self.geometry.positions_mm)} positions"
            raise InputError(
                "a volume's slices and positions do not match", expected="(D, H, W) and D positions", got=got
            )


def volume_from_array(voxels_hu: npt.NDArray[np.generic], spacing_mm: tuple[float, float, float]) -> Volume:
    """A volume from HU in memory, axial, from the feet to the head, rows to the back, columns to the left.

    Args:
        voxels_hu: (D, H, W), any integer or floating dtype, HU; copied.
        spacing_mm: between slices, rows and columns.

    Raises:
        InputError: wrong type, dtype or shape, NaN or infinity, or too many voxels.
        GeometryError: a spacing that is not a finite number above 0.
    """
    if not isinstance(voxels_hu, np.ndarray) or voxels_hu.dtype.kind not in "iuf":
        got = str(getattr(voxels_hu, "dtype", type(voxels_hu).__name__))
        raise InputError("a volume has a wrong type", expected="an integer or floating NumPy array in HU", got=got)
    if voxels_hu.ndim != 3 or 0 in voxels_hu.shape:
        raise InputError("a volume has a wrong shape", expected="(D, H, W)", got=str(voxels_hu.shape))
    depth, height, width = voxels_hu.shape
    check_volume_budget(depth, height, width)
    hu, remarks = hu_in_range(voxels_hu)
    positions = tuple((0.0, 0.0, index * spacing_mm[0]) for index in range(depth))
    geometry = Geometry(positions, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (spacing_mm[1], spacing_mm[2]), spacing_mm[0])
    return Volume(hu, geometry, Origin("array"), remarks)


def hu_in_range(hu: npt.NDArray[np.generic]) -> tuple[FloatArray, tuple[str, ...]]:
    """HU of any shape as float32 within 16 bits, and remarks about changes. Raises: InputError (NaN, infinity)."""
    low, high = float(hu.min()), float(hu.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("a slice is not finite", expected="finite HU", got="NaN or infinity")
    if low < LOW_HU or high > HIGH_HU:
        clipped = np.clip(hu, LOW_HU, HIGH_HU).astype(np.float32)
        return clipped, (f"values outside {LOW_HU:g}..{HIGH_HU:g} HU clipped",)
    return hu.astype(np.float32), ()


def hu_from_stored(
    values: npt.NDArray[np.generic], slope: float, intercept: float
) -> tuple[FloatArray, tuple[str, ...]]:
    """Integers of any shape as the scanner stored them -> HU as `hu_in_range`, a new array. Raises: as that."""
    slope, intercept = float(slope), float(intercept)
    stored = max(abs(float(values.min())), abs(float(values.max())))
    # Integers are exact in float32, in half the bytes; with the margin nothing can be out of range either.
    if slope.is_integer() and intercept.is_integer() and stored * abs(slope) + abs(intercept) <= HIGH_HU:
        hu = values.astype(np.float32)
        hu *= np.float32(slope)
        hu += np.float32(intercept)
        return hu, ()
    with np.errstate(over="ignore"):  # infinity is reported as an error
        return hu_in_range(values.astype(np.float64) * slope + intercept)


def check_volume_budget(depth: int, height: int, width: int) -> None:
    """Refuses volumes that are too large before anything is allocated. Raises: InputError."""
    check_pixel_budget(height, width)
    if depth * height * width > MAX_VOXELS:
        raise InputError(
            "a volume is too large", expected=f"at most {MAX_VOXELS} voxels", got=f"{depth} x {height} x {width}"
        )


def _point(vector: npt.NDArray[np.float64]) -> Point:
    return float(vector[0]), float(vector[1]), float(vector[2])
