"""UIDs of results, derived from what was segmented and by what: segmenting again gives the same UIDs.

An archive that already holds a result recognises it and keeps no second copy. Two different masks never share an
instance's UID, because a DICOM UID identifies exactly one content.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from miniseg_edge.studies.volume import SourceImage

_ROOT = "2.25."
"""Below this, a UUID as a decimal number is a UID (DICOM PS3.5, B.2)."""

_DOMAIN = "miniseg-edge"
_VERSION_8, _VARIANT = 8 << 76, 0b10 << 62
_VERSION_BITS, _VARIANT_BITS = 0xF << 76, 0b11 << 62


@dataclass(frozen=True)
class ResultUids:
    """Of one kind of result, made by one bundle of the same images.

    Attributes:
        series: the series for results of this kind.
    """

    series: str

    def instance(self, *content: str | bytes) -> str:
        """UID of the object with `content`, which distinguishes it from others in the series."""
        return derived_uid("instance", self.series, *content)


def result_uids(images: Iterable[SourceImage], bundle_digest: str, kind: str) -> ResultUids:
    """UIDs of a bundle's results for a series.

    Args:
        images: the segmented images, in order.
        bundle_digest: of the bundle's manifest.
        kind: of result, such as "dicom-seg".
    """
    frames = (f"{image.sop_instance_uid} {image.frame}" for image in images)
    return ResultUids(derived_uid("series", kind, bundle_digest, *frames))


def derived_uid(*parts: str | bytes) -> str:
    """A UID that is the same for the same parts in the same order, and for no others.

    It is a SHA-256 as a UUID of version 8.
    """
    number = int.from_bytes(_digest((_DOMAIN, *parts))[:16], "big")
    return f"{_ROOT}{number & ~_VERSION_BITS & ~_VARIANT_BITS | _VERSION_8 | _VARIANT}"


def _digest(parts: Sequence[str | bytes]) -> bytes:
    """Each part prefixed with its length, so that the concatenation is unambiguous."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
