"""The number of multiplications that the library makes for a slice, after folding."""

from miniseg_edge.architecture import BRANCHES, Architecture

_TAPS_3, _TAPS_5 = 9, 25
_FUSION_TAPS = 17
"""Of two 3x3 kernels of dilation 1 and 2 in one."""


def multiplications(architecture: Architecture, channels: int, size: tuple[int, int]) -> int:
    """By the network's weights, for one slice (channels, *size); upsampling and activations are not counted."""
    classes, widths = architecture.classes, architecture.channels
    pixels = _pixels(size)
    total = _first_stage(architecture, channels) * pixels[1]
    for stage in (1, 2, 3):
        total += _stage(architecture, stage, pixels[stage], pixels[stage + 1])
    total += pixels[4] * widths[3] ** 2
    for fine, coarse, at in zip(widths, widths[1:], range(1, 4), strict=False):
        total += pixels[at + 1] * coarse * fine + pixels[at] * fine * (fine + _FUSION_TAPS)
    return total + pixels[1] * widths[0] * (classes - 1)


def _pixels(size: tuple[int, int]) -> list[int]:
    """Of the slice, and of each stage's maps: sides are halved, rounding up."""
    height, width = size
    found = [height * width]
    for _ in range(4):
        height, width = (height + 1) // 2, (width + 1) // 2
        found.append(height * width)
    return found


def _first_stage(architecture: Architecture, channels: int) -> int:
    """At each pixel."""
    width, depth, long_depth = architecture.channels[0], architecture.depths[0], architecture.long_depths[0]
    first = width * channels * (_TAPS_5 + _TAPS_3)
    return first + depth * width * width * _TAPS_3 + long_depth * width * (width + _TAPS_5)


def _stage(architecture: Architecture, stage: int, before: int, pixels: int) -> int:
    """Of a stage of pyramids, from the pixels of the maps before it and its own; the first block reads the former."""
    width, inputs = architecture.channels[stage], 2 * architecture.channels[stage - 1]
    narrow = width // BRANCHES
    total = 0
    for block in range(architecture.depths[stage] + 1):
        entry = before * inputs if block == 0 else pixels * width
        total += entry * narrow + pixels * BRANCHES * narrow * (_TAPS_3 + 1 + narrow)
        if block <= architecture.long_depths[stage]:
            total += entry * width + pixels * width * _TAPS_5
    return total
