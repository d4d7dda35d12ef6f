"""Finds out by trial which slice sizes a network accepts."""

from dataclasses import dataclass

import torch

from miniseg_edge.training.networks.segmentation_network import SegmentationNetwork

Size = tuple[int, int]

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class TakenSize:
    """A size that a network accepts: (height, width), multiples of `multiple`."""

    multiple: int
    height: int
    width: int


@dataclass(frozen=True)
class SizeRefusal:
    """Why a network rejects a size (its own message), and the next larger size that it accepts, if one was found."""

    obstacle: str
    instead: TakenSize | None


def size_refusal(network: SegmentationNetwork, size: Size) -> SizeRefusal | None:
    """Runs a network on an empty slice (H, W) and leaves it in eval mode; returns None if it accepts such slices."""
    obstacle = obstacle_to(network, size)
    if obstacle is None:
        return None
    for multiple in _MULTIPLES:
        rounded = _rounded(size, multiple)
        if rounded != size and obstacle_to(network, rounded) is None:
            return SizeRefusal(obstacle, TakenSize(multiple, *rounded))
    return SizeRefusal(obstacle, None)


def obstacle_to(network: SegmentationNetwork, size: Size) -> str | None:
    """Why a network cannot segment slices (H, W), as text, or None; it is left in eval mode."""
    try:
        with torch.inference_mode():
            found = tuple(network.eval()(torch.zeros(1, network.in_channels, *size)).shape)
    except Exception as error:  # another author's module may raise anything; all of it means the same
        return " ".join(str(error).split())[:200] or type(error).__name__
    wanted = (1, network.classes, *size)
    return None if found == wanted else f"an output of shape {found} where {wanted} belongs"


def _rounded(size: Size, multiple: int) -> Size:
    """The next larger sides that are multiples of it."""
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple
