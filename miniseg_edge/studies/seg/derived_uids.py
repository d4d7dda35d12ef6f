"""Identifiers of results, derived from what was segmented and by what: segmenting again gives the same.

An archive that holds a result already recognises it, and keeps no second one. Two masks that differ never share an
instance's UID, because DICOM lets a UID name one content alone.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from miniseg_edge.studies.volume import SourceImage

_ROOT = "2.25."
"""Below it, a UUID as a decimal number is a UID (DICOM PS3.5, B.2)."""

_DOMAIN = "miniseg-edge"
_VERSION_8, _VARIANT = 8 << 76, 0b10 << 62
_VERSION_BITS, _VARIANT_BITS = 0xF << 76, 0b11 << 62


@dataclass(frozen=True)
class ResultUids:
    """Of one kind of result, made by one bundle of the same images.

    Attributes:
        series: the series that holds results of this kind.
    """

    series: str

    def instance(self, *content: str | bytes) -> str:
        """Of the object that holds `content`: whatever tells it from others in the series."""
        return derived_uid("instance", self.series, *content)


def result_uids(images: Iterable[SourceImage], bundle_digest: str, kind: str) -> ResultUids:
    """UIDs of what a bundle makes of a series.

    Args:
        images: that were segmented, in order.
        bundle_digest: of the bundle's manifest.
        kind: of result, such as "dicom-seg".
    """
    frames = (f"{image.sop_instance_uid} {image.frame}" for image in images)
    return ResultUids(derived_uid("series", kind, bundle_digest, *frames))


def derived_uid(*parts: str | bytes) -> str:
    """A UID that is the same for the same parts, in order, and for no others: SHA-256 as a UUID of version 8."""
    number = int.from_bytes(_digest((_DOMAIN, *parts))[:16], "big")
    return f"{_ROOT}{number & ~_VERSION_BITS & ~_VARIANT_BITS | _VERSION_8 | _VARIANT}"


def _digest(parts: Sequence[str | bytes]) -> bytes:
    """Each part with its length before it, so that parts cannot run into each other."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
