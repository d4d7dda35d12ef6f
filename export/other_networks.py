"""What an export asks of a network that is not MiniSeg, found out before any work."""

import torch

from miniseg_edge.errors import ExportError, UsageError
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.training.networks import RegisteredNetwork

Size = tuple[int, int]

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_ODD = (83, 67)
"""Of a slice that only a network that takes any size can take; larger than most networks' deepest stage needs."""


def check_other_network(network: RegisteredNetwork, request: ExportRequest) -> None:
    """Refuses what only MiniSeg's graph can do, and sizes that the network cannot take.

    Raises:
        UsageError: INT8, or forms to measure.
        ExportError: names sides that the network takes; or it takes none, or gives something that is no logits.
    """
    name = network.identity.name
    if any(precision == "int8" for _, precision in request.builds):
        raise UsageError(
            f"INT8 is searched over MiniSeg's blocks, which {name} does not have", "fp32, bf16 or fp16", "int8",
            "The vendors' own quantizers take the bundle's ONNX.",
        )  # fmt: skip
    if request.tune:
        raise UsageError(f"{name} has one form", "an export without --tune", "--tune")
    _check_size(network, request.input_size)
    if request.dynamic_size and (obstacle := _obstacle(network, _ODD)) is not None:
        raise ExportError(f"{name} does not take slices of any size", "a fixed --input-size", obstacle)


def _check_size(network: RegisteredNetwork, size: Size) -> None:
    obstacle = _obstacle(network, size)
    if obstacle is None:
        return
    for multiple in _MULTIPLES:
        rounded = _rounded(size, multiple)
        if rounded != size and _obstacle(network, rounded) is None:
            wanted = f"sides that are multiples of {multiple}, such as --input-size {rounded[0]} {rounded[1]}"
            got = f"{size[0]} x {size[1]}"
            raise ExportError(f"{network.identity.name} does not take this size", wanted, got, f"It says: {obstacle}")
    wanted = f"logits (1, {network.classes}, H, W) for a slice (1, {network.in_channels}, H, W)"
    raise ExportError(f"{network.identity.name} does not segment", wanted, obstacle)


def _rounded(size: Size, multiple: int) -> Size:
    """The next larger sides that are multiples of it."""
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple


def _obstacle(network: RegisteredNetwork, size: Size) -> str | None:
    """Why the network cannot segment slices of this size, in words, or None."""
    try:
        with torch.inference_mode():
            found = tuple(network.eval()(torch.zeros(1, network.in_channels, *size)).shape)
    except Exception as error:  # somebody else's module raises what it likes; all of it means the same
        return " ".join(str(error).split())[:200] or type(error).__name__
    wanted = (1, network.classes, *size)
    return None if found == wanted else f"an output of shape {found} where {wanted} belongs"
