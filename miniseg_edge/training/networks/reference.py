"""Rebuilds the network of a bundle from its reference weights, for parity and for peers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from miniseg_edge.bundle.manifest import NetworkRecord
from miniseg_edge.errors import BundleError, IncompatibleError, MissingDependencyError, UsageError
from miniseg_edge.training.networks.miniseg import MiniSeg
from miniseg_edge.training.networks.registry import RegisteredNetwork, build_network, stored


def reference_network(record: NetworkRecord, weights: Mapping[str, Tensor]) -> MiniSeg | RegisteredNetwork:
    """The network as trained, in eval mode, on the CPU.

    Args:
        record: the bundle's description of it.
        weights: its state dict, without MiniSeg's training heads.

    Raises:
        BundleError: the weights belong to another network.
        IncompatibleError: the network is not registered here, or needs a package that is not installed.
    """
    network = _without_weights(record)
    wanted = {key: value.shape for key, value in stored(network).state_dict().items()}
    if {key: value.shape for key, value in weights.items()} != wanted:
        shape = str(record.architecture or record.name)
        raise BundleError("the reference weights do not fit the manifest's network", expected=shape, got="other shapes")
    stored(network).load_state_dict(weights, strict=True, assign=True)
    return network.eval()


def _without_weights(record: NetworkRecord) -> MiniSeg | RegisteredNetwork:
    if record.architecture is None:
        try:
            return build_network(record.name, record.in_channels, record.classes)
        except (UsageError, MissingDependencyError) as error:
            raise IncompatibleError(error.problem, **error.details) from error
    with torch.device("meta"):  # a manifest may claim anything; the weights come from the file
        return MiniSeg(record.architecture, auxiliary=False)
