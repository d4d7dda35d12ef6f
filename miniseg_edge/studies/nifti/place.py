"""The position of a NIfTI file's voxels: one affine from the header's two forms, the sform and the qform.

An sform is any affine. A qform is a rotation, a voxel size and an offset: it cannot express that the slices of a tilted
gantry are stacked at an angle. So if both exist, the sform is used, and the qform must agree with it, or be what
writers make of a sheared sform. Anything else is a contradiction and is refused, such as a registered sform with a
scanner's qform. Formulas: nifti1.h, "METHOD 1" to "METHOD 3" and "QUATERNION REPRESENTATION OF ROTATION MATRIX".
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import GeometryError, NoGeometryError
from miniseg_edge.studies.volume import Affine, NiftiForms

STEP_TOLERANCE_MM = 0.01
"""How much a step from voxel to voxel may differ between the forms: rounded voxel sizes and quaternions."""
OFFSET_TOLERANCE_MM = 0.1
"""How far the first voxel may differ between the forms: rounded positions."""
SHOWN_MM = 0.5
"""From here on a tolerated difference is remarked on: less than the finest CT pixel."""

MIN_VOXEL_MM, MAX_VOXEL_MM = 0.01, 100.0
MAX_OFFSET_MM = 1e6

_MM_OF_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}
"""NIFTI_UNITS_METER, _MM and _MICRON."""
_UNIT_NAMES = {1: "metres", 3: "micrometres"}
_SPACE_UNITS, _NO_UNIT, _MM = 7, 0, 2
_MAX_CODE = 2**15 - 1
_RIGHT_ANGLE = 1e-3
_UNIT_QUATERNION = 1e-3
_QUATERNION_ERROR = 1e-3
"""Tolerance of a direction near half a turn: a quaternion's first number is the root of what the float32 others leave.
"""
_HALF_TURN = 1e-7
"""If 1 - b2 - c2 - d2 is below this, it is rounding, and the rotation is by 180 degrees."""
_MIN_VOLUME = 0.5
"""Minimum volume of three unit vectors: that of a gantry tilted by 60 degrees."""
_SIZE_TOLERANCE = 0.01

_Linear = npt.NDArray[np.float64]


UNKNOWN = (
    "orientation and position are unknown (qform and sform have code 0); assumed: axial slices, the first axis to the "
    "patient's left, the second to the front, the third to the head. If that is wrong, the network saw turned or "
    "mirrored slices, and left and right may be exchanged"
)


@dataclass(frozen=True, eq=False)
class Place:
    """Where voxels lie.

    Attributes:
        affine: (4, 4) float64, array index -> mm in NIfTI's coordinates (to the right, the front and the head).
        forms: the header fields for a mask of the same voxels.
        remarks: what was assumed or ignored.
    """

    affine: Affine
    forms: NiftiForms
    remarks: tuple[str, ...]


@np.errstate(all="ignore")  # overflow is reported as an error
def place_from_forms(forms: NiftiForms, shape: tuple[int, ...], name: str) -> Place:
    """Where voxels lie.

    Args:
        forms: the header's.
        shape: of the array, three axes first.
        name: of the file, in errors.

    Raises:
        GeometryError: the forms contradict each other, or the one that is needed is invalid.
        NoGeometryError: there is neither form, and no voxel size.
    """
    unit = forms.units & _SPACE_UNITS
    mm = _MM_OF_UNIT.get(unit, 1.0)
    remarks = _unit_remarks(unit)
    sform = _checked(_scaled(_sform(forms, name), mm), f"the sform of {name}") if forms.sform_code > 0 else None
    qform = _checked(_scaled(_qform(forms, name), mm), f"the qform of {name}") if forms.qform_code > 0 else None
    qform_says = qform is not None
    if sform is not None and qform is not None:
        qform_says, judged = _judged(sform, qform, shape, name)
        remarks += judged
    elif sform is not None:
        remarks += _voxel_size_remarks(forms, sform, mm)
    affine = sform if sform is not None else qform
    if affine is None:
        affine = _checked(_scaled(_unknown(forms, shape, name), mm), f"the header of {name}")
        remarks.append(UNKNOWN)
    return Place(affine, _mask_forms(forms, affine, mm, qform_says=qform_says), tuple(remarks))


def _unit_remarks(unit: int) -> list[str]:
    if unit in _UNIT_NAMES:
        return [f"the header's lengths are in {_UNIT_NAMES[unit]}"]
    return [] if unit in (_NO_UNIT, _MM) else ["the header's lengths have a unit that is not NIfTI's; read as mm"]


def _scaled(affine: Affine, mm: float) -> Affine:
    return np.diag([mm, mm, mm, 1.0]) @ affine


def _sform(forms: NiftiForms, name: str) -> Affine:
    affine = np.array([*forms.sform, (0.0, 0.0, 0.0, 1.0)])
    if not np.isfinite(affine).all():
        raise GeometryError(f"the sform of {name} is invalid", expected="finite numbers", got="NaN or infinity")
    return affine


def _qform(forms: NiftiForms, name: str) -> Affine:
    """The matrix of a qform, as nifti_quatern_to_mat44 makes it."""
    quaternion, offset, sign = np.array(forms.quaternion), np.array(forms.offset), forms.pixdim[0]
    if not (np.isfinite(quaternion).all() and np.isfinite(offset).all() and math.isfinite(sign)):
        raise GeometryError(f"the qform of {name} is invalid", expected="finite numbers", got="NaN or infinity")
    square = float(quaternion @ quaternion)
    if square > 1 + _UNIT_QUATERNION:
        raise GeometryError(
            f"the qform of {name} is invalid",
            expected="b, c and d of a unit quaternion",
            got=f"length {math.sqrt(square):.4g}",
        )
    rest = 1 - square
    a, (b, c, d) = (math.sqrt(rest), quaternion) if rest >= _HALF_TURN else (0.0, quaternion / math.sqrt(square))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    sizes = _voxel_sizes(forms, name, GeometryError) * (1, 1, -1 if sign < 0 else 1)
    return _affine(rotation * sizes, offset)


def _unknown(forms: NiftiForms, shape: tuple[int, ...], name: str) -> Affine:
    """Neither form: radiological order around the volume's centre, as in nibabel, FSL and SPM."""
    steps = np.diag(_voxel_sizes(forms, name, NoGeometryError) * (-1, 1, 1))
    return _affine(steps, -steps @ (np.array(shape[:3]) - 1) / 2)


def _voxel_sizes(forms: NiftiForms, name: str, error: type[GeometryError]) -> npt.NDArray[np.float64]:
    sizes = np.array(forms.pixdim[1:])
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise error(
            f"the voxel size of {name} is invalid",
            expected="finite pixdim above 0",
            got=_times(sizes),
            remedy="Correct the header.",
        )
    return sizes


def _affine(linear: _Linear, offset: npt.NDArray[np.float64]) -> Affine:
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = linear, offset
    return found


def _judged(sform: Affine, qform: Affine, shape: tuple[int, ...], name: str) -> tuple[bool, list[str]]:
    """Whether the qform agrees with the sform, and remarks. Raises: GeometryError if they contradict each other."""
    offset_agrees = np.abs(sform[:3, 3] - qform[:3, 3]).max() <= OFFSET_TOLERANCE_MM

    limit = max(STEP_TOLERANCE_MM, _QUATERNION_ERROR * float(np.linalg.norm(sform[:3, :3], axis=0).max()))

    def agrees(linear: _Linear) -> bool:
        return bool(offset_agrees and np.abs(linear - qform[:3, :3]).max() <= limit)

    if agrees(sform[:3, :3]):
        off = _farthest(sform - qform, shape)
        return True, [f"qform and sform differ by up to {off:.1f} mm; read by the sform"] if off > SHOWN_MM else []
    if any(agrees(linear) for linear in _without_shear(sform[:3, :3])):
        return False, ["the sform has shear, which the qform cannot say; read by the sform"]
    raise GeometryError(
        f"{name} has two contradictory positions", expected="equal qform and "
        "sform", got=_difference(sform, qform, shape),
        remedy="Set the code of the form that is wrong to 0.",
    )  # fmt: skip


def _farthest(difference: Affine, shape: tuple[int, ...]) -> float:
    """Maximum distance in mm between a voxel's positions by two affines; it occurs at a corner."""
    corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in shape[:3]))])
    return float(np.linalg.norm((difference @ corners.T)[:3], axis=0).max())


def _without_shear(linear: _Linear) -> Iterator[_Linear]:
    """What writers make of steps (3, 3), one column per axis, in a format that only has a rotation and sizes.

    The rotation is the nearest one (nifti_mat44_to_quatern), or keeps two axes at a right angle and stacks along their
    normal. The size along the third axis is the step's length, or its component along that normal.
    """
    lengths = np.linalg.norm(linear, axis=0)
    directions = linear / lengths
    nearest = [_nearest(directions), _nearest(linear)]
    for axis in range(3):
        one, other = (directions[:, (axis + k) % 3] for k in (1, 2))
        if abs(one @ other) > _RIGHT_ANGLE:
            continue
        normal = np.cross(one, other)
        normal /= math.copysign(float(np.linalg.norm(normal)), float(normal @ directions[:, axis]))
        kept = directions.copy()
        kept[:, axis] = normal
        for rotation in (*nearest, kept):
            for size in (lengths[axis], float(linear[:, axis] @ normal)):
                sizes = lengths.copy()
                sizes[axis] = size
                yield rotation * sizes


def _nearest(linear: _Linear) -> _Linear:
    """The rotation (with a reflection, if there is one) nearest to a matrix: the first factor of its polar form."""
    left, _, right = np.linalg.svd(linear)
    return np.asarray(left @ right)


def _difference(sform: Affine, qform: Affine, shape: tuple[int, ...]) -> str:
    """A description of how the forms differ, with figures; only the differences."""
    centre = np.array([*((n - 1) / 2 for n in shape[:3]), 1.0])
    shift = float(np.linalg.norm(((sform - qform) @ centre)[:3]))
    turn = _nearest(sform[:3, :3] / np.linalg.norm(sform[:3, :3], axis=0)).T @ _nearest(qform[:3, :3])
    said = [f"{shift:.2f} mm at the volume's centre"] if shift > OFFSET_TOLERANCE_MM else []
    if np.linalg.det(turn) < 0:
        said.append("mirrored")
    elif (angle := math.degrees(math.acos(min(1.0, max(-1.0, (float(np.trace(turn)) - 1) / 2))))) > 0.05:
        said.append(f"{angle:.2f} degrees")
    sizes = [np.linalg.norm(form[:3, :3], axis=0) for form in (sform, qform)]
    if np.abs(sizes[0] - sizes[1]).max() > STEP_TOLERANCE_MM:
        said.append(f"voxels of {_times(sizes[0])} mm by the sform and {_times(sizes[1])} mm by the qform")
    return ", ".join(said) or f"up to {_farthest(sform - qform, shape):.2f} mm"


def _voxel_size_remarks(forms: NiftiForms, sform: Affine, mm: float) -> list[str]:
    """A remark if pixdim, which a lone sform makes superfluous, contradicts its voxel size."""
    by_sform, by_pixdim = np.linalg.norm(sform[:3, :3], axis=0), np.array(forms.pixdim[1:]) * mm
    if np.allclose(by_pixdim, by_sform, rtol=_SIZE_TOLERANCE, atol=0):
        return []
    return [f"pixdim says voxels of {_times(by_pixdim)} mm, the sform {_times(by_sform)} mm; read by the sform"]


def _checked(affine: Affine, what: str) -> Affine:
    """The affine, in mm. Raises: GeometryError."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not ((sizes >= MIN_VOXEL_MM) & (sizes <= MAX_VOXEL_MM)).all():
        raise GeometryError(
            f"{what} is invalid", expected=f"voxels of {MIN_VOXEL_MM:g} to {MAX_VOXEL_MM:g} mm",
            got=f"{_times(sizes)} mm", remedy="Correct the header's affine, or its unit (xyzt_units).",
        )  # fmt: skip
    if (far := float(np.abs(affine[:3, 3]).max())) > MAX_OFFSET_MM:
        raise GeometryError(
            f"{what} is invalid", expected=f"positions within {MAX_OFFSET_MM:g} mm", got=f"{far:.3g} mm"
        )
    if abs(np.linalg.det(affine[:3, :3] / sizes)) < _MIN_VOLUME:
        raise GeometryError(f"{what} is invalid", expected="three axes in space", got="axes that nearly coincide")
    return affine


def _mask_forms(forms: NiftiForms, affine: Affine, mm: float, *, qform_says: bool) -> NiftiForms:
    """The forms of a mask: the source's, except for a qform with another affine or none."""
    units = forms.units & _SPACE_UNITS
    found = replace(
        forms,
        sform_code=min(max(forms.sform_code, 0), _MAX_CODE),
        qform_code=min(forms.qform_code, _MAX_CODE) if qform_says else 0,
        units=units if units in _MM_OF_UNIT else _MM,
    )
    if found.sform_code == 0:
        found = replace(found, sform=((0.0,) * 4,) * 3)
    if qform_says:
        return replace(found, pixdim=(-1.0 if forms.pixdim[0] < 0 else 1.0, *forms.pixdim[1:]))
    sizes = tuple(map(float, np.linalg.norm(affine[:3, :3], axis=0) / mm))
    return replace(found, pixdim=(1.0, *sizes), quaternion=(0.0,) * 3, offset=(0.0,) * 3)


def _times(sizes: npt.NDArray[np.float64]) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)
