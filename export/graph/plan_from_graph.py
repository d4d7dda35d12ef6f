"""The deployment graph as a plan for libminiseg: its layers, folded as far as algebra permits.

The folding is that of `rewrites`, in float64: normalisation layers into convolutions, the average pooling into the
pyramid's first branch, the exchange between stages into the next entries, `long1` into one 5x5 convolution, equal input
channels into one, the head into logits over background. The library's blocks are larger than a graph's operators, so
sums, gates and upsampling are not stored: they are the same for every MiniSeg.
"""

from collections.abc import Iterator
from typing import cast

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from miniseg_edge.architecture import BRANCHES
from miniseg_edge.errors import ExportError
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph, Feeding
from miniseg_edge.export.graph.rewrites.average_pool import with_average
from miniseg_edge.export.graph.rewrites.batch_norm import normalised, normalised_terms, scale_and_shift
from miniseg_edge.export.graph.rewrites.convolution import Convolution, convolution_from
from miniseg_edge.export.graph.rewrites.exchange import entries_through
from miniseg_edge.export.graph.rewrites.first_layers import first_convolutions
from miniseg_edge.export.graph.rewrites.head import over_background
from miniseg_edge.export.graph.rewrites.normalisation import normalisation_from
from miniseg_edge.export.graph.rewrites.parallel import summed
from miniseg_edge.export.graph.rewrites.tap_grid import common_grid
from miniseg_edge.native.plan_file import Kind, Plan, PlanHeader, Record, plan_of
from miniseg_edge.tensors import HU, MASK
from miniseg_edge.training.networks.miniseg import AHSPBlock, ConvBlock, DownsamplerBlock, FeatureFusionBlock, MiniSeg

Array = npt.NDArray[np.float64]


def plan_from_graph(graph: DeploymentGraph) -> Plan:
    """The plan of a deployment graph; the same bytes on every machine.

    Raises:
        ExportError: the network is not a MiniSeg, for which alone libminiseg has blocks.
    """
    network = graph.network
    if not isinstance(network, MiniSeg):
        raise ExportError(
            "the native engine only runs MiniSeg", expected="a MiniSeg", got="another network",
            remedy="Export it with --target onnx or --target openvino.",
        )  # fmt: skip
    return plan_of(_header(network, graph.feeding), list(_records(network, graph.feeding.interface.channels)))


def _header(network: MiniSeg, feeding: Feeding) -> PlanHeader:
    interface = feeding.interface
    window = feeding.window if interface.values == HU else None
    normalisation = normalisation_from(feeding.statistics, window)
    largest = float(np.finfo(np.float32).max)
    low, high = (-largest, largest) if window is None else (window.low_hu, window.high_hu)
    return PlanHeader(
        network.architecture, interface.channels, interface.values == HU, interface.result == MASK,
        low, high, normalisation.factor, normalisation.offset,
    )  # fmt: skip


def _records(network: MiniSeg, channels: int) -> Iterator[Record]:
    yield from _first_stage(network, channels)
    for stage in (2, 3, 4):
        yield from _stage(network, stage)
    top = normalised(convolution_from(network.up4_conv4), network.up4_bn4)
    yield Record(Kind.TOP, 4, 0, [*_values(top), _array(network.up4_act.weight)])
    yield from _step(3, network.up3_conv4, network.up3_conv3, network.up3_bn3, network.up3_act)
    yield from _step(2, network.up2_conv3, network.up2_conv2, network.up2_bn2, network.up2_act)
    yield from _step(1, network.up1_conv2, network.up1_conv1, network.up1_bn1, network.up1_act)
    yield Record(Kind.HEAD, 1, 0, _values(over_background(convolution_from(cast("nn.Conv2d", network.pred1[1])))))


def _first_stage(network: MiniSeg, channels: int) -> Iterator[Record]:
    long, down = first_convolutions(network, channels)
    yield Record(Kind.FIRST_LONG, 1, 0, [*_values(long), _array(network.long1.act.weight)])
    yield Record(Kind.FIRST_DOWN, 1, 0, [*_values(down), _array(network.down1.act.weight)])
    for index, block in enumerate(cast("list[ConvBlock]", list(network.level1)), 1):
        if index <= len(network.level1_long):
            side = cast("DownsamplerBlock", network.level1_long[index - 1])
            yield Record(Kind.LONG_ENTRY, 1, index, _values(convolution_from(side.conv0)))
            yield _long_tail(side, 1, index)
        conv = normalised(convolution_from(block.conv), block.bn)
        yield Record(Kind.CONV_BLOCK, 1, index, [*_values(conv), _array(block.act.weight)])


def _stage(network: MiniSeg, stage: int) -> Iterator[Record]:
    exchange = cast("nn.Sequential", network.get_submodule(f"cat{stage - 1}"))
    long = cast("DownsamplerBlock", network.get_submodule(f"long{stage}"))
    down = cast("AHSPBlock", network.get_submodule(f"down{stage}"))
    mixed = normalised(convolution_from(cast("nn.Conv2d", exchange[0])), cast("nn.BatchNorm2d", exchange[1]))
    side, main = entries_through(mixed, convolution_from(long.conv0), convolution_from(down.conv1x1_down))
    yield from _block(stage, 0, down, main, (long, side))
    sides = cast("nn.Sequential", network.get_submodule(f"level{stage}_long"))
    blocks = cast("nn.Sequential", network.get_submodule(f"level{stage}"))
    for index, block in enumerate(cast("list[AHSPBlock]", list(blocks)), 1):
        beside = cast("DownsamplerBlock", sides[index - 1]) if index <= len(sides) else None
        entered = None if beside is None else (beside, convolution_from(beside.conv0))
        yield from _block(stage, index, block, convolution_from(block.conv1x1_down), entered)


def _block(
    stage: int, index: int, block: AHSPBlock, entry: Convolution, long: tuple[DownsamplerBlock, Convolution] | None
) -> Iterator[Record]:
    if long is not None:
        yield Record(Kind.LONG_ENTRY, stage, index, _values(long[1]))
        yield _long_tail(long[0], stage, index)
    yield Record(Kind.PYRAMID_ENTRY, stage, index, _values(entry))
    first, *others = (convolution_from(getattr(block, f"conv{k}")) for k in range(1, BRANCHES + 1))
    scale, shift = scale_and_shift(block.bn)
    fuse = convolution_from(block.conv1x1_fuse).weight * scale[:, None, None, None]
    taps = [_array(branch.weight) for branch in (with_average(first), *others)]
    rest = [block.attention.weight, fuse, shift, block.act.weight]
    yield Record(Kind.PYRAMID, stage, index, [*taps, *map(_array, rest)])


def _long_tail(block: DownsamplerBlock, stage: int, index: int) -> Record:
    conv = normalised(convolution_from(block.conv1), block.bn)
    return Record(Kind.LONG_TAIL, stage, index, [*_values(conv), _array(block.act.weight)])


def _step(
    stage: int, fusion: FeatureFusionBlock, skip: nn.Conv2d, norm: nn.BatchNorm2d, act: nn.PReLU
) -> Iterator[Record]:
    yield Record(Kind.REDUCE, stage, 0, _values(convolution_from(fusion.conv0)))
    terms = normalised_terms(convolution_from(fusion.conv1), convolution_from(fusion.conv2), norm=fusion.bn)
    taps = summed(*common_grid(*terms))
    beside = normalised(convolution_from(skip), norm)
    bias = taps.bias + beside.bias
    yield Record(Kind.FUSION, stage, 0, [_array(taps.weight), _array(beside.weight), _array(bias), _array(act.weight)])


def _values(convolution: Convolution) -> list[Array]:
    return [_array(convolution.weight), _array(convolution.bias)]


def _array(values: Tensor) -> Array:
    return values.detach().double().numpy()
