"""Findings: what a volume's mask says in figures, without a word about the patient."""

from dataclasses import dataclass

import numpy as np

from miniseg_edge.errors import InputError
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.studies.lesions import lesion_count
from miniseg_edge.studies.volume import Geometry

FINDINGS_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SliceFinding:
    """A slice with lesion: its index from 0, and the lesion's area in mm2."""

    index: int
    area_mm2: float


@dataclass(frozen=True)
class Ran:
    """What segmented a volume, and what it read.

    Attributes:
        runtime, device, precision, bundle_digest: as in a `Segmentation`.
        input_sha256: of what was read; "" for arrays.
        remarks: what was mended or is worth knowing.
    """

    runtime: str
    device: str
    precision: str
    bundle_digest: str
    input_sha256: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """The file `findings.json`.

    Attributes:
        schema_version: 1.
        finding: whether any voxel is lesion; False is a valid result: no finding.
        lesion_volume_ml: of all lesions together.
        lesions: connected groups of lesion voxels; voxels that touch by a face belong together.
        slices: in the volume.
        slices_with_findings: one by one.
        ran: what made the mask.
    """

    schema_version: int
    finding: bool
    lesion_volume_ml: float
    lesions: int
    slices: int
    slices_with_findings: tuple[SliceFinding, ...]
    ran: Ran


def findings_from_mask(mask: ByteArray, geometry: Geometry, ran: Ran) -> Findings:
    """Measures a mask.

    Args:
        mask: (D, H, W) uint8, lesion above 0.
        geometry: of the volume; areas and volumes are exact for tilted gantries too.
        ran: goes into the result as it is.

    Raises:
        InputError: the mask has not the volume's slices.
    """
    if mask.ndim != 3 or len(mask) != len(geometry.positions_mm):
        raise InputError("the mask does not fit the volume", f"({len(geometry.positions_mm)}, H, W)", str(mask.shape))
    pixels = [int(np.count_nonzero(one)) for one in mask]
    return Findings(
        schema_version=FINDINGS_SCHEMA_VERSION,
        finding=any(pixels),
        lesion_volume_ml=sum(pixels) * geometry.voxel_volume_ml,
        lesions=lesion_count(mask),
        slices=len(mask),
        slices_with_findings=tuple(
            SliceFinding(index, count * geometry.pixel_area_mm2) for index, count in enumerate(pixels) if count
        ),
        ran=ran,
    )
