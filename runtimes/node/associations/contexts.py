"""What a node negotiates: SOP classes and transfer syntaxes, depending on the installed decoders."""

from collections.abc import Sequence
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.studies.dicom.headers import CT_CLASSES

VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"

_UNCOMPRESSED = (EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
"""Explicit and implicit little endian, deflated, explicit big endian."""

_COMPRESSED = (
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.5",
)
"""Lossless JPEG (two), JPEG-LS (two), JPEG 2000 (two), HTJ2K (three), baseline JPEG, RLE.

Not extended JPEG: it has 12 bits, which no decoder here supports.
"""

SENT_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.88.22",
    "1.2.840.10008.5.1.4.1.1.7",
)
"""Segmentation, Enhanced SR, Secondary Capture."""


def decoded_syntaxes() -> list[str]:
    """Transfer syntaxes whose pixels can be decoded here. Raises: MissingDependencyError."""
    pixels: Any = require("pydicom.pixels", "node")
    return [*_UNCOMPRESSED, *(syntax for syntax in _COMPRESSED if _is_decoded(pixels, syntax))]


def taken_classes() -> tuple[str, ...]:
    """CT Image, Enhanced CT, Legacy Converted Enhanced CT."""
    return CT_CLASSES


def other_classes(storage_contexts: Sequence[Any]) -> list[str]:
    """All other storage classes that the library knows."""
    return [str(one.abstract_syntax) for one in storage_contexts if str(one.abstract_syntax) not in CT_CLASSES]


def _is_decoded(pixels: Any, syntax: str) -> bool:
    try:
        return bool(pixels.get_decoder(syntax).is_available)
    except NotImplementedError:  # an older pydicom
        return False
