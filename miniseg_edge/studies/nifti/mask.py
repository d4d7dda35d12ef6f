"""Writes a volume's mask as NIfTI, laid out like the file that the volume came from, or along its slices."""

from typing import Any

import numpy as np

from miniseg_edge.errors import InputError
from miniseg_edge.host.dependencies import require
from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies.nifti.study import RAS_FROM_LPS
from miniseg_edge.studies.turned_geometry import stored_geometry
from miniseg_edge.studies.volume import TILT_DEGREES, Geometry, NiftiForms, Origin

MAX_NIFTI_1_AXIS = 2**15 - 1
"""Maximum voxels along an axis in NIfTI-1; longer volumes use NIfTI-2."""


def nifti_from_mask(mask: ByteArray, geometry: Geometry, origin: Origin, stamp: tuple[str, str] = ("", "")) -> bytes:
    """An uncompressed .nii in memory, marked as a label map; voxels in the source's order.

    A tilted gantry becomes shear in the sform. For a NIfTI source, the mask has the source's forms, codes and unit; if
    the qform cannot express the affine, its code is 0.

    Args:
        mask: (D, H, W) uint8, class per voxel.
        geometry, origin: of the volume that was segmented.
        stamp: text for the header's `descrip` (79 characters) and `aux_file` (23), ASCII.

    Raises:
        InputError: the mask does not match the volume's slices.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    if mask.ndim != 3 or mask.dtype != np.uint8 or len(mask) != len(geometry.positions_mm):
        expected = f"({len(geometry.positions_mm)}, H, W) uint8"
        raise InputError("the mask does not fit the volume", expected=expected, got=f"{mask.shape} {mask.dtype}")
    nibabel = require("nibabel", "dicom")
    voxels = origin.turn.stored_stack(mask).transpose(2, 1, 0)
    if (layout := origin.layout) is not None:
        voxels = nibabel.orientations.apply_orientation(voxels, np.asarray(layout.orientation))
    kind = nibabel.Nifti1Image if max(voxels.shape) <= MAX_NIFTI_1_AXIS else nibabel.Nifti2Image
    image = kind(np.ascontiguousarray(voxels), None)
    if layout is not None:
        _write_forms(image.header, layout.forms)
    else:
        geometry = stored_geometry(geometry, (mask.shape[1], mask.shape[2]), origin.turn)
        affine = RAS_FROM_LPS @ geometry.affine
        image.header.set_xyzt_units("mm")
        image.header.set_sform(affine, code=1)
        # A qform cannot express shear. Its code is 0 then, but its voxel size is still the volume's.
        image.header.set_qform(affine, code=int(geometry.tilt_degrees <= TILT_DEGREES), strip_shears=True)
    image.header.set_intent("label")
    image.header["descrip"], image.header["aux_file"] = stamp[0][:79], stamp[1][:23]
    return bytes(image.to_bytes())


def _write_forms(header: Any, forms: NiftiForms) -> None:
    header["sform_code"], header["qform_code"], header["xyzt_units"] = forms.sform_code, forms.qform_code, forms.units
    for name, row in zip(("srow_x", "srow_y", "srow_z"), forms.sform, strict=True):
        header[name] = row
    header["pixdim"][:4] = forms.pixdim
    for axis, value in zip("bcd", forms.quaternion, strict=True):
        header[f"quatern_{axis}"] = value
    for axis, value in zip("xyz", forms.offset, strict=True):
        header[f"qoffset_{axis}"] = value
