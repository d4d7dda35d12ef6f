"""NIfTI files made of phantoms, whose headers can be edited field by field, to be read and to be broken."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from tests.studies.series import stored_slice

Array = npt.NDArray[Any]
EditHeader = Callable[[Any], object]

SMALL = np.arange(120, dtype=np.int16).reshape(6, 5, 4) * 10 - 1000
"""A volume of which every voxel is another."""
RAS = np.diag([0.7, 0.8, 2.5, 1.0])


def chest(count: int = 4) -> Array:
    """A phantom in HU as NIfTI stores it in LPS order: (column, row, slice), int16."""
    return np.stack([stored_slice(300 + index).T - 1024 for index in range(count)], axis=-1).astype(np.int16)


def nifti_bytes(
    hu: Array = SMALL, affine: Array | None = RAS, edit: EditHeader = lambda header: None, version: int = 1
) -> bytes:
    """An uncompressed file with sform and qform of code 1 where there is an affine; `edit` gets the header's fields."""
    kind = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}[version]
    image = kind(hu, affine, dtype=hu.dtype)
    if affine is not None:
        image.set_sform(affine, code=1)
        image.set_qform(affine, code=1, strip_shears=True)
    data = bytearray(image.to_bytes())
    edit(header_of(data))
    return bytes(data)


def header_of(data: bytearray) -> Any:
    """The fields of a little-endian file's header, to be read and written."""
    module = nibabel.nifti2 if data[0] == 540 & 255 else nibabel.nifti1
    return np.frombuffer(data, module.header_dtype, 1)[0]


def write_nifti(path: Path, *arguments: Any, **options: Any) -> Path:
    """Writes `nifti_bytes`, compressed if the name says so."""
    data = nifti_bytes(*arguments, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.name.lower().endswith(".gz") else data)
    return path


def tilted(degrees: float, sizes: tuple[float, float, float] = (0.7, 0.8, 2.5), axis: int = 0) -> Array:
    """An affine of a gantry that was tilted: slices turned around the body's axis 0 or 1, stacked along the third."""
    angle = np.radians(degrees)
    turned = np.eye(3)
    other = 1 - axis
    turned[other, other], turned[2, other] = np.cos(angle), np.sin(angle)
    found = np.eye(4)
    found[:3, :3] = turned * sizes
    found[:3, 3] = -30, 40, -500
    return found
