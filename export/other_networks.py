"""Checks before any work what an export needs from a network that is not MiniSeg."""

from collections.abc import Sequence

from miniseg_edge.errors import ExportError, UsageError
from miniseg_edge.export.targets import target_named, targets
from miniseg_edge.training.networks.registry import RegisteredNetwork
from miniseg_edge.training.networks.sizes import Size, obstacle_to, size_refusal

_ODD = (83, 67)
"""A test size that only size-agnostic networks accept; larger than most networks' deepest stage needs."""


def check_other_network(
    network: RegisteredNetwork, size: Size, built: Sequence[str], *, int8: bool, tune: bool, dynamic_size: bool
) -> None:
    """Refuses features that only MiniSeg's graph supports, and sizes that the network does not accept.

    Args:
        network: the exported network.
        size: (height, width) of its input in pixels.
        built: the targets.
        int8, tune, dynamic_size: requested features of the graph.

    Raises:
        UsageError: a target for MiniSeg only, INT8, or `--tune`.
        ExportError: names sides that the network accepts; or it accepts none, or does not return logits.
    """
    name = network.identity.name
    if alone := [target for target in dict.fromkeys(built) if target_named(target).miniseg_alone]:
        able = ", ".join(target for target, row in targets().items() if not row.miniseg_alone)
        raise UsageError(
            f"{', '.join(alone)} needs MiniSeg's blocks, which {name} does not have", expected=f"of {able}",
            got=", ".join(dict.fromkeys(built)),
        )  # fmt: skip
    if int8:
        raise UsageError(
            f"INT8 needs MiniSeg's blocks, which {name} does not have",
            expected="fp32, bf16 or fp16",
            got="int8",
            remedy="Use the vendor's own quantizer on the bundle's ONNX.",
        )
    if tune:
        raise UsageError(f"{name} cannot be tuned", expected="an export without --tune", got="--tune")
    _check_size(network, size)
    if dynamic_size and (obstacle := obstacle_to(network, _ODD)) is not None:
        raise ExportError(f"{name} does not take slices of any size", expected="a fixed --input-size", because=obstacle)


def _check_size(network: RegisteredNetwork, size: Size) -> None:
    refusal = size_refusal(network, size)
    if refusal is None:
        return
    name = network.identity.name
    if refusal.instead is None:
        wanted = f"logits (1, {network.classes}, H, W) for a slice (1, {network.in_channels}, H, W)"
        raise ExportError(f"{name} does not segment", expected=wanted, because=refusal.obstacle)
    taken = refusal.instead
    wanted = f"sides that are multiples of {taken.multiple}, such as --input-size {taken.height} {taken.width}"
    raise ExportError(
        f"{name} does not take this size",
        expected=wanted,
        got=f"{size[0]} x {size[1]}",
        remedy=f"{refusal.obstacle}",
    )
