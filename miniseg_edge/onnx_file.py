"""What an ONNX file may not do where it is run, told from its bytes alone: no parser, no onnx."""

from miniseg_edge.errors import UnsafeModelError

_EXTERNAL = b"location"
"""The key that every reference to a file beside the model has, whatever surrounds it; our models lack the word."""


def check_self_contained(model: bytes) -> None:
    """Refuses a model that reads other files: they are in nobody's manifest, and may lie anywhere.

    A vendor looks for them in the working directory when it is handed bytes.

    Raises:
        UnsafeModelError: it refers to external data.
    """
    if _EXTERNAL in model:
        raise UnsafeModelError(
            "the ONNX refers to external data", "one file", "a location", "Export it again with miniseg-export."
        )
