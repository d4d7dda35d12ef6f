"""Plans: the artefact that libminiseg runs. Pure data; src/plan.h describes the format and src/plan.cpp reads it.

This module only writes plans. The library has the only reader, so that admission and execution cannot disagree.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from miniseg_edge.architecture import Architecture

MAGIC = b"MINISEGP"
VERSION = 1
ALIGNMENT = 64

_HEADER = struct.Struct("<8s6I12I4fQ24x")
_RECORD = struct.Struct("<4I2Q")

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """The file's bytes, its header's content, and its number of layers."""

    data: bytes
    header: "PlanHeader"
    layers: int


class Kind(IntEnum):
    """The floats of a record, in this order; c channels of its stage, n = c / 4, i inputs."""

    FIRST_LONG = 1
    """weights (c, i, 5, 5), bias (c), slopes (c)"""
    FIRST_DOWN = 2
    """weights (c, i, 3, 3), bias (c), slopes (c)"""
    CONV_BLOCK = 3
    """weights (c, c, 3, 3), bias (c), slopes (c)"""
    LONG_ENTRY = 4
    """weights (c, i), bias (c)"""
    LONG_TAIL = 5
    """weights (c, 5, 5), bias (c), slopes (c)"""
    PYRAMID_ENTRY = 6
    """weights (n, i), bias (n)"""
    PYRAMID = 7
    """taps (4, n, 3, 3), attention (4, n), fuse (4, n, n), shift (c), slopes (c)"""
    TOP = 8
    """weights (c, c), bias (c), slopes (c)"""
    REDUCE = 9
    """weights (c, i), bias (c)"""
    FUSION = 10
    """taps (c, 5, 5), weights (c, c), bias (c), slopes (c)"""
    HEAD = 11
    """weights (classes - 1, c), bias (classes - 1)"""


@dataclass(frozen=True)
class Record:
    """A layer: its kind, stage (1..4), index in the stage (0: the stage's first block), and what `Kind` lists."""

    kind: Kind
    stage: int
    index: int
    values: Sequence[FloatArray]

    def floats(self) -> npt.NDArray[np.float32]:
        """All values in sequence, little-endian.

        Weight decay leaves dead channels with weights below float32's smallest normal number. They are set to 0: the
        products would be indistinguishable from that, and processors are a hundred times slower with such numbers.
        """
        found = np.concatenate([np.asarray(value, "<f8").ravel() for value in self.values])
        found[np.abs(found) < np.finfo(np.float32).tiny] = 0
        return found.astype("<f4")


@dataclass(frozen=True)
class PlanHeader:
    """What a plan says about its network.

    Attributes:
        architecture: the network's shape.
        channels: of the slice; 1 if all input channels are the same grey slice.
        hu: whether pixels are HU, otherwise grey.
        mask: whether the result is a mask, otherwise logit maps over background.
        low, high: pixels are clipped to this.
        factor, offset: then normalised, factor * x + offset.
    """

    architecture: Architecture
    channels: int
    hu: bool
    mask: bool
    low: float
    high: float
    factor: float
    offset: float


def plan_of(header: PlanHeader, records: Sequence[Record]) -> Plan:
    """The file. Records come in the order that src/network.cpp reads them in."""
    blocks = [record.floats().tobytes() for record in records]
    end = _HEADER.size + len(records) * _RECORD.size
    table, data = [], []
    for record, block in zip(records, blocks, strict=True):
        padding = -end % ALIGNMENT
        table.append(_RECORD.pack(record.kind, record.stage, record.index, 0, end + padding, len(block) // _FLOAT))
        data += [bytes(padding), block]
        end += padding + len(block)
    shape = header.architecture
    head = _HEADER.pack(
        MAGIC, VERSION, len(records), header.hu, header.mask, header.channels, shape.classes,
        *shape.channels, *shape.depths, *shape.long_depths,
        header.low, header.high, header.factor, header.offset, end,
    )  # fmt: skip
    return Plan(b"".join([head, *table, *data]), header, len(records))


_FLOAT = 4
