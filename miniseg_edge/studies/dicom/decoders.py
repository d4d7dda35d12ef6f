"""Which compressed DICOM files can be read with the packages that are installed here."""

from dataclasses import dataclass

from miniseg_edge.host.dependencies import installed, require

_COMPRESSED = (
    ("RLE", "1.2.840.10008.1.2.5"),
    ("JPEG lossless", "1.2.840.10008.1.2.4.70"),
    ("JPEG extended, 12 bits", "1.2.840.10008.1.2.4.51"),
    ("JPEG-LS", "1.2.840.10008.1.2.4.80"),
    ("JPEG 2000", "1.2.840.10008.1.2.4.90"),
    ("High-Throughput JPEG 2000", "1.2.840.10008.1.2.4.201"),
)


@dataclass(frozen=True)
class DecoderState:
    """A way of compressing pixels.

    Attributes:
        name: as people call it.
        transfer_syntax: its UID.
        packages: that decode it here; empty if none does.
    """

    name: str
    transfer_syntax: str
    packages: tuple[str, ...]


def decoders() -> tuple[DecoderState, ...]:
    """What is decoded here. Raises: MissingDependencyError, pydicom is broken."""
    if not installed("pydicom"):
        return tuple(DecoderState(name, uid, ()) for name, uid in _COMPRESSED)
    pixels = require("pydicom.pixels", "dicom")
    return tuple(DecoderState(name, uid, tuple(pixels.get_decoder(uid).available_plugins)) for name, uid in _COMPRESSED)
