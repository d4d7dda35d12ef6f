"""A volume's mask as NIfTI, laid out like the file that the volume came from, or along its slices."""

import numpy as np

from miniseg_edge.dependencies import require
from miniseg_edge.errors import InputError
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.studies.nifti import RAS_FROM_LPS
from miniseg_edge.studies.volume import TILT_DEGREES, Geometry, Origin


def nifti_from_mask(mask: ByteArray, geometry: Geometry, origin: Origin, stamp: tuple[str, str] = ("", "")) -> bytes:
    """An uncompressed .nii in memory; a tilted gantry stays in its affine as shear.

    Args:
        mask: (D, H, W) uint8, class per voxel.
        geometry, origin: of the volume that was segmented.
        stamp: what the header's `descrip` (79 characters) and `aux_file` (23) say, ASCII.

    Raises:
        InputError: the mask has not the volume's slices.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    if mask.ndim != 3 or mask.dtype != np.uint8 or len(mask) != len(geometry.positions_mm):
        expected = f"({len(geometry.positions_mm)}, H, W) uint8"
        raise InputError("the mask does not fit the volume", expected, f"{mask.shape} {mask.dtype}")
    nibabel = require("nibabel", "dicom")
    voxels, affine = mask.transpose(2, 1, 0), RAS_FROM_LPS @ geometry.affine
    if (layout := origin.layout) is not None:
        voxels = nibabel.orientations.apply_orientation(voxels, np.asarray(layout.orientation))
        affine = np.asarray(layout.affine)
    image = nibabel.Nifti1Image(np.ascontiguousarray(voxels), affine)
    image.set_sform(affine, code=1)
    if origin.layout is not None or geometry.tilt_degrees <= TILT_DEGREES:  # a qform cannot say shear
        image.set_qform(affine, code=1, strip_shears=True)
    image.header.set_xyzt_units("mm")
    image.header["descrip"], image.header["aux_file"] = stamp[0][:79], stamp[1][:23]
    return bytes(image.to_bytes())
