"""The network of a bundle from its reference weights: what parity is judged against and peers are made of."""

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
        record: what the bundle says of it.
        weights: its state dict, without MiniSeg's training heads.

    Raises:
        BundleError: the weights are those of another network.
        IncompatibleError: nobody registers this network here, or it needs a package that is not installed.
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
    with torch.device("meta"):  # a manifest may ask for much, and the weights are those of the file
        return MiniSeg(record.architecture, auxiliary=False)
