"""Networks by name, and the registry that builds them.

A name comes from a checkpoint, a bundle or a command line; the code that it builds is always installed here. There are
three sources, in this order: MiniSeg's presets, `register_network`, and the entry points of installed packages in the
group `miniseg_edge.networks`, through which the command lines find other networks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points

from torch import Tensor, nn

from miniseg_edge.architecture import MAX_CHANNELS, MAX_CLASSES, PRESETS
from miniseg_edge.errors import UsageError
from miniseg_edge.host.plugins import loaded
from miniseg_edge.training.networks.miniseg import MiniSeg
from miniseg_edge.training.networks.segmentation_network import SegmentationNetwork

ENTRY_POINT_GROUP = "miniseg_edge.networks"

NetworkBuilder = Callable[[int, int], nn.Module]
"""(in_channels, classes) -> a module with random weights: (N, in_channels, H, W) -> logits (N, classes, H, W)."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_registered: dict[str, NetworkBuilder] = {}


@dataclass(frozen=True)
class NetworkIdentity:
    """Which network it is: a preset's name, "custom" for another MiniSeg, or a registered name; channels, classes."""

    name: str
    in_channels: int
    classes: int


class RegisteredNetwork(SegmentationNetwork):
    """Any module as a `SegmentationNetwork`; checkpoints contain the module's own state dict, see `stored`.

    The module returns logits, or a list or tuple of logits: first the main head's, then those for training only, which
    it should not compute in eval mode.
    """

    def __init__(self, identity: NetworkIdentity, module: nn.Module) -> None:
        super().__init__()
        self.identity = identity
        self.module = module

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return self.identity.in_channels

    @property
    def classes(self) -> int:
        """Classes of the output, background included."""
        return self.identity.classes

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the main head: normalised image (N, in_channels, H, W) -> (N, classes, H, W)."""
        return self.forward_all(x)[0]

    def forward_all(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits of every head, the main one first; for training only."""
        logits = self.module(x)
        return (logits,) if isinstance(logits, Tensor) else tuple(logits)


def stored(network: SegmentationNetwork) -> nn.Module:
    """The module whose state dict checkpoints and bundles contain: the network as its author wrote it."""
    return network.module if isinstance(network, RegisteredNetwork) else network


def register_network(name: str, build: NetworkBuilder) -> None:
    """Registers a network for training, export and the benchmark in this process.

    Args:
        name: lower-case letters, digits, `.`, `_` and `-`.
        build: see `NetworkBuilder`.

    Raises:
        UsageError: the name is taken or invalid.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            "the network's name is invalid",
            expected="lower-case letters, digits, . _ and -, at most 64",
            got=repr(name)[:80],
        )
    if name in network_names():
        raise UsageError(f"the network {name} is already registered", expected="a name of its own", got=name)
    _registered[name] = build


def network_names() -> tuple[str, ...]:
    """All names that `build_network` accepts; a network from an entry point may lack its package."""
    return tuple(dict.fromkeys((*PRESETS, *_registered, *sorted(entry_points(group=ENTRY_POINT_GROUP).names))))


def build_network(name: str, in_channels: int = 3, classes: int = 2) -> MiniSeg | RegisteredNetwork:
    """A network with random weights, in training mode.

    Args:
        name: of `network_names`.
        in_channels: of the input.
        classes: of the output, background included.

    Raises:
        UsageError: the name is not registered, or the registered object does not build a network.
        MissingDependencyError: the network needs a package that is not installed.
    """
    if not (1 <= in_channels <= MAX_CHANNELS and 2 <= classes <= MAX_CLASSES):
        wanted = f"1..{MAX_CHANNELS} channels and 2..{MAX_CLASSES} classes"
        raise UsageError(f"no {name} has this shape", expected=wanted, got=f"{in_channels} and {classes}")
    if name in PRESETS:
        return MiniSeg(replace(PRESETS[name], classes=classes, in_channels=in_channels))
    module = _builder(name)(in_channels, classes)
    if not isinstance(module, nn.Module):
        raise UsageError(f"{name} does not build a network", expected="a torch.nn.Module", got=type(module).__name__)
    return RegisteredNetwork(NetworkIdentity(name, in_channels, classes), module)


def _builder(name: str) -> NetworkBuilder:
    if name in _registered:
        return _registered[name]
    found = entry_points(group=ENTRY_POINT_GROUP, name=name)
    if not found:
        raise UsageError(
            "the network is unknown",
            expected=f"one of {', '.join(network_names())}",
            got=repr(name)[:80],
            remedy=(
                "Call register_network(name, build), or add an entry point in the group "
                f"{ENTRY_POINT_GROUP} (docs/networks.md)."
            ),
        )
    if len(found) > 1:
        raise UsageError(
            f"several packages register {name}", expected="one", got=", ".join(sorted(point.value for point in found))
        )
    build: NetworkBuilder = loaded(next(iter(found)))
    return build
