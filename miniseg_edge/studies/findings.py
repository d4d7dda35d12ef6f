"""Findings: measurements of a volume's mask, without patient data."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from miniseg_edge.errors import InputError
from miniseg_edge.slices.preprocessing import ByteArray
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
    """What segmented a volume, and what was segmented.

    Attributes:
        runtime, device, precision, bundle_digest: as in a `Segmentation`.
        input_sha256: of the input; "" for arrays.
        remarks: what was corrected or is worth knowing.
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
        finding: whether any voxel is lesion; False is a valid result.
        lesion_volume_ml: of all lesions together.
        lesions: connected groups of lesion voxels; voxels that share a face belong together.
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


@dataclass(frozen=True)
class Measured:
    """Counts in masks, slice by slice: lesion pixels of each, and connected lesions overall."""

    pixels: tuple[int, ...]
    lesions: int


def measured(masks: Iterable[ByteArray]) -> Measured:
    """Counts slices (H, W) uint8, lesion above 0, in order, as they arrive."""
    pixels: list[int] = []

    def counted() -> Iterator[ByteArray]:
        for mask in masks:
            pixels.append(int(np.count_nonzero(mask)))
            yield mask

    lesions = lesion_count(counted())
    return Measured(tuple(pixels), lesions)


def findings_from_counts(counts: Measured, geometry: Geometry, ran: Ran) -> Findings:
    """Converts counts to volumes and areas.

    Args:
        counts: of the volume's slices.
        geometry: of the volume; areas and volumes are exact for tilted gantries too.
        ran: copied into the result.

    Raises:
        InputError: the counts do not match the volume's slices.
    """
    if len(counts.pixels) != len(geometry.positions_mm):
        wanted, got = f"{len(geometry.positions_mm)} slices", f"{len(counts.pixels)}"
        raise InputError("the masks do not fit the volume", expected=wanted, got=got)
    return Findings(
        schema_version=FINDINGS_SCHEMA_VERSION,
        finding=any(counts.pixels),
        lesion_volume_ml=sum(counts.pixels) * geometry.voxel_volume_ml,
        lesions=counts.lesions,
        slices=len(counts.pixels),
        slices_with_findings=tuple(
            SliceFinding(index, count * geometry.pixel_area_mm2) for index, count in enumerate(counts.pixels) if count
        ),
        ran=ran,
    )


def findings_from_mask(mask: ByteArray, geometry: Geometry, ran: Ran) -> Findings:
    """Measures a mask (D, H, W) uint8, lesion above 0; see `findings_from_counts`. Raises: InputError."""
    if mask.ndim != 3:
        raise InputError(
            "the mask does not fit the volume", expected=f"({len(geometry.positions_mm)}, H, W)", got=str(mask.shape)
        )
    return findings_from_counts(measured(mask), geometry, ran)
