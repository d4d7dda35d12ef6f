"""The results of a Segmenter: a slice's mask, a volume's masks, and what made them."""

from dataclasses import dataclass

import numpy as np

from miniseg_edge.errors import UsageError
from miniseg_edge.plurals import number_of
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray

UNVERIFIED_CODE = "this artefact is native code, and the bundle's signature was not checked (trust, or --trust KEY)"


@dataclass(frozen=True)
class Segmentation:
    """One slice's result; all arrays belong to the caller.

    Attributes:
        mask: (H, W) uint8, class per pixel: 0 background, 1 lesion.
        maps: (C - 1, H, W) float32 logit maps, each class minus background, in the slice's size; None if the bundle's
            graph only returns masks.
        runtime, device, precision: what ran.
        bundle_digest: the manifest's SHA-256.
        warnings: remarks about the input, such as a constant slice, or values that may not be HU; usually empty.
        passed_over: runtimes that were declared before the one that ran, each with the reason.
        unverified_code: whether the artefact is native code and the bundle's signature was not checked (`trust`).
    """

    mask: ByteArray
    maps: FloatArray | None
    runtime: str
    device: str
    precision: str
    bundle_digest: str
    warnings: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    unverified_code: bool = False

    def __repr__(self) -> str:
        """What was found and what ran, in one line; the arrays are not shown."""
        return _shown(self.mask, "pixel", f"{self.runtime} {self.precision} on {self.device}", self.warnings)

    @property
    def has_finding(self) -> bool:
        """Whether any pixel is lesion; an empty mask is a valid result: no finding."""
        return bool(self.mask.any())

    @property
    def logit(self) -> FloatArray:
        """(H, W) float32, lesion minus background; (C - 1, H, W) for C > 2 classes.

        Raises:
            UsageError: the bundle's graph only returns masks.
        """
        maps = self.logit_maps
        return maps[0] if len(maps) == 1 else maps

    @property
    def logit_maps(self) -> FloatArray:
        """The logit maps as (C - 1, H, W), whatever the number of classes. Raises: UsageError, as `logit`."""
        if self.maps is None:
            raise UsageError(
                "this bundle's graph only returns masks", expected="one that gives logits", got="--graph-output mask",
                remedy="Export again with --graph-output logit.",
            )  # fmt: skip
        return self.maps

    @property
    def evidence(self) -> FloatArray | ByteArray:
        """What parity compares: the logit maps (C - 1, H, W), or the mask (H, W) if there are none."""
        return self.mask if self.maps is None else self.maps


@dataclass(frozen=True)
class VolumeSegmentation:
    """A volume's result; the array belongs to the caller.

    Attributes:
        mask: (D, H, W) uint8, class per voxel: 0 background, 1 lesion.
        runtime, device, precision: what ran.
        bundle_digest: the manifest's SHA-256.
        warnings: remarks about the volume, and about slices, each with its index.
        passed_over, unverified_code: as in a `Segmentation`.
    """

    mask: ByteArray
    runtime: str
    device: str
    precision: str
    bundle_digest: str
    warnings: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    unverified_code: bool = False

    def __repr__(self) -> str:
        """What was found and what ran, in one line; the array is not shown."""
        return _shown(self.mask, "voxel", f"{self.runtime} {self.precision} on {self.device}", self.warnings)

    @property
    def has_finding(self) -> bool:
        """Whether any voxel is lesion."""
        return bool(self.mask.any())

    @property
    def slices_with_findings(self) -> tuple[int, ...]:
        """Indices of the slices in which any pixel is lesion."""
        return tuple(int(index) for index in np.flatnonzero(self.mask.reshape(len(self.mask), -1).any(axis=1)))


def _shown(mask: ByteArray, unit: str, ran: str, warnings: tuple[str, ...]) -> str:
    sides = " x ".join(map(str, mask.shape))
    found = number_of(int((mask > 0).sum()), f"lesion {unit}")
    remarks = f", {number_of(len(warnings), 'warning')}" if warnings else ""
    return f"<{sides} mask, {found}, by {ran}{remarks}>"
