"""NIfTI (.nii, .nii.gz), checked before it is inflated, and turned to lie like a CT series."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from miniseg_edge.dependencies import require
from miniseg_edge.errors import AmbiguousStudyError, GeometryError, NoGeometryError, UnsupportedFormatError
from miniseg_edge.files import sha256_of
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.study import SliceHu, Study
from miniseg_edge.studies.volume import (
    Affine,
    Geometry,
    NiftiLayout,
    Origin,
    Point,
    check_volume_budget,
    hu_in_range,
)

SUFFIXES = (".nii", ".nii.gz")
MAX_HEADER_BYTES = 2**24

_HEADERS = {348: ("Nifti1", b"n+1"), 540: ("Nifti2", b"n+2")}
"""Bytes in a header -> nibabel's name of the version, and the magic word of a single file."""
_TOLERANCE_MM = 1e-2
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def study_from_nifti(path: Path, phase: int | None) -> Study:
    """Opens a NIfTI file of HU; see `open_study`."""
    with distrusted(path.name):
        return _study(path, phase)


def _study(path: Path, phase: int | None) -> Study:
    nibabel = require("nibabel", "dicom")
    data = _checked_bytes(path)
    image = getattr(nibabel, f"{_version(data, path.name)[0]}Image").from_bytes(data)
    affine = _one_affine(image.header, path.name)
    raw = _one_phase(np.asanyarray(image.dataobj.get_unscaled()), phase)
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    orientations = nibabel.orientations
    stored = orientations.io_orientation(affine)
    if not np.isfinite(stored).all():  # an axis so short beside the others that none is left for it
        raise GeometryError(f"{path.name} lies nowhere", "three axes in space", "axes that coincide")
    turn = orientations.ornt_transform(stored, orientations.axcodes2ornt("LPS"))
    turned = orientations.apply_orientation(raw, turn)
    geometry = _geometry(RAS_FROM_LPS @ affine @ orientations.inv_ornt_aff(turn, raw.shape), turned.shape[2])
    back = orientations.ornt_transform(orientations.axcodes2ornt("LPS"), stored)
    layout = NiftiLayout(
        tuple(tuple(map(float, row)) for row in affine), raw.shape, tuple((float(a), float(f)) for a, f in back)
    )
    digest = sha256_of(data)

    def read(index: int) -> SliceHu:
        hu, remarks = hu_in_range(turned[:, :, index].T.astype(np.float64) * slope + intercept)
        return SliceHu(np.ascontiguousarray(hu), remarks, digest)

    size = (int(turned.shape[1]), int(turned.shape[0]))
    return Study(geometry, Origin("nifti", layout=layout), size, (), read)


def _checked_bytes(path: Path) -> bytes:
    """The inflated file, no more of it than its header promises, and that within the budget."""
    nibabel = require("nibabel", "dicom")
    try:
        with path.open("rb") as plain, gzip.open(plain) if path.name.endswith(".gz") else plain as file:
            start = file.read(4)
            version, magic, size = _version(start, path.name)
            start += file.read(size - 4)
            header = getattr(nibabel, f"{version}Header")(start, check=False)
            if header["magic"] != magic:
                raise UnsupportedFormatError(f"{path.name} is no NIfTI", "a single file", "something else")
            expected = _expected_bytes(header, size, path.name)
            data = start + file.read(expected - size)
    except UnsupportedFormatError:
        raise
    except (
        OSError,
        EOFError,
        zlib.error,
        nibabel.spatialimages.HeaderDataError,
        nibabel.wrapstruct.WrapStructError,
    ) as e:
        raise UnsupportedFormatError(f"{path.name} is no readable NIfTI", "an intact file", type(e).__name__) from e
    if len(data) < expected:
        raise UnsupportedFormatError(f"{path.name} has truncated pixel data", f"{expected} bytes", f"{len(data)}")
    return data


def _version(start: bytes, name: str) -> tuple[str, bytes, int]:
    """Which NIfTI begins so, its magic word, and the bytes in its header. Raises: UnsupportedFormatError."""
    for order in ("<i", ">i"):
        size = struct.unpack(order, start[:4].ljust(4, b"\0"))[0]
        if size in _HEADERS:
            return (*_HEADERS[size], size)
    raise UnsupportedFormatError(f"{name} is no NIfTI", "NIfTI-1 or NIfTI-2", "something else")


def _expected_bytes(header: npt.NDArray[np.generic], size: int, name: str) -> int:
    shape = [int(n) for n in header["dim"][1 : 1 + max(0, min(7, int(header["dim"][0])))]]  # type: ignore[call-overload]
    if len(shape) < 3 or min(shape) < 1:
        raise UnsupportedFormatError(f"{name} is no volume", "three axes or four", str(tuple(shape)))
    check_volume_budget(math.prod(shape[2:]), shape[0], shape[1])
    code = int(header["datatype"])  # type: ignore[call-overload]
    kinds = require("nibabel", "dicom").nifti1.data_type_codes.dtype
    if code not in kinds or kinds[code].kind not in "iuf":
        raise UnsupportedFormatError(f"{name} holds no HU", "integers or floating numbers", f"data type {code}")
    kind = kinds[code]
    offset = float(header["vox_offset"])  # type: ignore[call-overload]
    if not size <= offset <= MAX_HEADER_BYTES:
        raise UnsupportedFormatError(f"{name} is no readable NIfTI", f"voxels before {MAX_HEADER_BYTES}", f"{offset:g}")
    return int(offset) + math.prod(shape) * int(kind.itemsize)


def _one_affine(header: npt.NDArray[np.generic], name: str) -> Affine:
    sform, sform_code = header.get_sform(coded=True)  # type: ignore[attr-defined]
    qform, qform_code = header.get_qform(coded=True)  # type: ignore[attr-defined]
    if not sform_code and not qform_code:
        raise NoGeometryError(f"{name} does not say where it lies", "an sform or a qform", "neither")
    if sform_code and qform_code and not np.allclose(sform, qform, rtol=0, atol=_TOLERANCE_MM):
        off = float(np.abs(sform - qform).max())
        raise GeometryError(f"{name} lies in two places", "qform and sform alike", f"they differ by {off:.3g}")
    found = np.asarray(sform if sform_code else qform, np.float64)
    if not np.isfinite(found).all() or abs(np.linalg.det(found[:3, :3])) < 1e-9:
        raise GeometryError(f"{name} lies nowhere", "a finite affine that can be inverted", "another")
    return found


def _one_phase(raw: npt.NDArray[np.generic], phase: int | None) -> npt.NDArray[np.generic]:
    phases = int(np.prod(raw.shape[3:]))
    if phases > 1 and phase is None:
        raise AmbiguousStudyError(
            f"the file has {phases} phases", "one, or a choice", f"0..{phases - 1}", "Choose: --phase N, or phase=N."
        )
    if not 0 <= (phase or 0) < phases:
        raise AmbiguousStudyError("no such phase", f"0..{phases - 1}", f"{phase}")
    return raw.reshape((*raw.shape[:3], phases))[..., phase or 0]


def _geometry(affine: Affine, depth: int) -> Geometry:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    row, column = affine[:3, 0] / lengths[0], affine[:3, 1] / lengths[1]
    if abs(row @ column) > 1e-3:
        raise GeometryError(
            "the slices are sheared", "rows and columns at a right angle", f"product {row @ column:.3g}"
        )
    spacing = abs(float(affine[:3, 2] @ np.cross(row, column)))
    positions = tuple(_point(affine[:3, 3] + k * affine[:3, 2]) for k in range(depth))
    return Geometry(positions, _point(row), _point(column), (float(lengths[1]), float(lengths[0])), spacing)


def _point(v: npt.NDArray[np.float64]) -> Point:
    return float(v[0]), float(v[1]), float(v[2])
