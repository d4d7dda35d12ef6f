"""Reads NIfTI-1 and NIfTI-2 headers in either byte order, and checks them before any voxel is read.

Fields and their meaning: nifti1.h and nifti2.h of the NIfTI Data Format Working Group.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import RescaleError, UnsupportedFormatError
from miniseg_edge.host.dependencies import require
from miniseg_edge.studies.volume import NiftiForms, check_volume_budget

HEADER_BYTES = 540
"""Of the longer header, NIfTI-2's."""
MAX_VOXELS_AT = 2**24
"""Header and extensions must end before this byte."""

_NIFTI_1, _NIFTI_2 = 348, 540
_MAGIC = {_NIFTI_1: b"n+1", _NIFTI_2: b"n+2"}
_LINE_ENDS = (b"\r\n\x1a\n", b"\0\0\0\0")
"""After NIFTI-2's magic word; a text-mode copy would change them."""
_EXTENSION_FLAG_BYTES = 4
_KINDS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_OTHER_KINDS = {
    1: "single bits", 32: "complex numbers", 128: "RGB colours", 1536: "128-bit floating numbers",
    1792: "complex numbers", 2048: "complex numbers", 2304: "RGBA colours",
}  # fmt: skip
_SIGNATURES = {
    b"\x1f\x8b": "gzip inside gzip", b"PK\3\4": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd", b"NRRD": "NRRD", b"\x93NUMPY": "a NumPy array", b"\x89HDF": "HDF5",
}  # fmt: skip
_SPACE_AXES, _VALUES_AXIS = 3, 4


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """A header.

    Attributes:
        shape: of the stored array, three axes in space first.
        dtype: of the stored values, with their byte order.
        voxels_at: the byte offset of the voxels.
        slope, intercept: stored value -> HU.
        forms: the position of the voxels, as written in the header.
        intent: NIFTI_INTENT code.
        remarks: what is worth knowing about it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    voxels_at: int
    slope: float
    intercept: float
    forms: NiftiForms
    intent: int
    remarks: tuple[str, ...]

    @property
    def grid(self) -> tuple[int, int, int]:
        """Voxels along each axis in space."""
        return self.shape[0], self.shape[1], self.shape[2]

    @property
    def voxel_bytes(self) -> int:
        """Bytes of all voxels."""
        return math.prod(self.shape) * self.dtype.itemsize


def header_from_bytes(start: bytes, name: str) -> NiftiHeader:
    """Reads a header.

    Args:
        start: the first `HEADER_BYTES` of the file, or the whole of a shorter file.
        name: of the file, in errors.

    Raises:
        UnsupportedFormatError: not single-file NIfTI, truncated, or with values that are not HU.
        RescaleError: a slope or an intercept that is not a finite number.
        InputError: more voxels than allowed.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    order, size = _version(start, name)
    if len(start) < size:
        raise UnsupportedFormatError(f"{name} has a truncated header", expected=f"{size} bytes", got=f"{len(start)}")
    nibabel = require("nibabel", "dicom")
    layout = (nibabel.nifti1 if size == _NIFTI_1 else nibabel.nifti2).header_dtype.newbyteorder(order)
    fields = np.frombuffer(start, layout, 1)[0]
    _check_one_file(fields, size, name)
    shape = _shape(fields["dim"], name)
    check_volume_budget(math.prod(shape[2:]), shape[0], shape[1])
    slope, intercept, remarks = _rescale(float(fields["scl_slope"]), float(fields["scl_inter"]), name)
    return NiftiHeader(
        shape=shape,
        dtype=_dtype(int(fields["datatype"]), order, name),
        voxels_at=_voxels_at(float(fields["vox_offset"]), size, name),
        slope=slope,
        intercept=intercept,
        forms=_forms(fields),
        intent=int(fields["intent_code"]),
        remarks=remarks,
    )


def _version(start: bytes, name: str) -> tuple[str, int]:
    """Byte order and size of a header with this start."""
    for order in "<>":
        size = struct.unpack(f"{order}i", start[:4].ljust(4, b"\0"))[0]
        if size in _MAGIC:
            return order, size
    got = next((what for signature, what in _SIGNATURES.items() if start.startswith(signature)), "something else")
    if start[128:132] == b"DICM":
        got = "DICOM"
    raise UnsupportedFormatError(
        f"{name} is not NIfTI", expected="NIfTI-1 or NIfTI-2", got=got if start else "an empty file"
    )


def _check_one_file(fields: Any, size: int, name: str) -> None:
    magic = bytes(fields["magic"])
    if magic != _MAGIC[size]:
        got = "half of a pair (.hdr, .img)" if magic in (b"ni1", b"ni2") else "Analyze 7.5, or a damaged header"
        raise UnsupportedFormatError(
            f"{name} is not single-file NIfTI",
            expected="NIfTI-1 or NIfTI-2 (.nii, .nii.gz)",
            got=got,
            remedy="Save it as .nii.gz.",
        )
    if size == _NIFTI_2 and fields["eol_check"].tobytes() not in _LINE_ENDS:
        raise UnsupportedFormatError(
            f"{name} is damaged", expected="unmodified bytes", got="converted line endings",
            remedy="Copy it again, in binary mode.",
        )  # fmt: skip


def _shape(dim: npt.NDArray[np.integer[Any]], name: str) -> tuple[int, ...]:
    axes = int(dim[0])
    shape = tuple(int(n) for n in dim[1 : 1 + axes]) if 1 <= axes <= len(dim) - 1 else ()
    if len(shape) < _SPACE_AXES or min(shape) < 1:
        raise UnsupportedFormatError(f"{name} is not a volume", expected="three axes or four", got=str(shape))
    if max(shape[_VALUES_AXIS:], default=1) > 1:
        raise UnsupportedFormatError(f"{name} has several values per voxel", expected="one value in HU", got=str(shape))
    return shape


def _dtype(code: int, order: str, name: str) -> np.dtype[np.generic]:
    if code not in _KINDS:
        got = _OTHER_KINDS.get(code, f"data type {code}")
        raise UnsupportedFormatError(
            f"{name} contains no HU", expected="integers or floating numbers of at most 64 bits", got=got
        )
    return np.dtype(order + _KINDS[code])


def _voxels_at(offset: float, size: int, name: str) -> int:
    if not size <= offset <= MAX_VOXELS_AT or offset % 1:
        raise UnsupportedFormatError(
            f"{name} has an invalid voxel offset", expected=f"a byte from {size + _EXTENSION_FLAG_BYTES} to "
            f"{MAX_VOXELS_AT}", got=f"{offset:g}",
        )  # fmt: skip
    return int(offset)


def _rescale(slope: float, intercept: float, name: str) -> tuple[float, float, tuple[str, ...]]:
    """nifti1.h: a slope of 0 means that the stored values are not scaled; some writers use NaN for that."""
    if slope == 0 or math.isnan(slope):
        ignored = math.isfinite(intercept) and intercept != 0
        return 1.0, 0.0, ("scl_slope is 0, so scl_inter is not applied, as NIfTI has it",) if ignored else ()
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise RescaleError(
            f"{name} cannot be converted to HU",
            expected="a finite scl_slope and scl_inter",
            got=f"{slope:g} and {intercept:g}",
        )
    return slope, intercept, ()


def _forms(fields: Any) -> NiftiForms:
    def numbers(*names: str) -> tuple[float, ...]:
        return tuple(float(fields[name]) for name in names)

    rows = tuple(tuple(map(float, fields[name])) for name in ("srow_x", "srow_y", "srow_z"))
    return NiftiForms(
        sform_code=int(fields["sform_code"]),
        sform=rows,
        qform_code=int(fields["qform_code"]),
        pixdim=tuple(map(float, fields["pixdim"][:4])),
        quaternion=numbers("quatern_b", "quatern_c", "quatern_d"),
        offset=numbers("qoffset_x", "qoffset_y", "qoffset_z"),
        units=int(fields["xyzt_units"]),
    )
