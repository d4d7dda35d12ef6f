"""Torch itself, eager mode."""

from pathlib import Path

import numpy as np

from miniseg_edge.benchmarks.peers.peer import PeerFiles, PeerSubject
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.runtimes.backends.torch import torch_package, trained_network
from miniseg_edge.slices.preprocessing import FloatArray


def as_trained(files: PeerFiles) -> Path:
    """The bundle, whose weights torch reads. Raises: MissingDependencyError."""
    check_installed(("torch", "safetensors"), "export")
    return files.bundle_path


class TorchPeer(PeerSubject):
    """The network in torch, eager mode."""

    def __init__(self, configuration: Configuration, bundle: Bundle, streams: int) -> None:
        super().__init__(bundle.manifest, streams=1)
        self.torch = torch_package()
        if configuration.threads is not None:
            self.torch.set_num_threads(configuration.threads)
        self.network = trained_network(bundle)

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        with self.torch.inference_mode():
            return np.asarray(self.network(self.torch.from_numpy(image)).numpy())
