"""The peers on an NVIDIA GPU, each as in its vendor's own examples; copies to the GPU and back are theirs too."""

import numpy as np

from miniseg_edge.benchmarks.peers.onnxruntime import OnnxPeer
from miniseg_edge.benchmarks.peers.torch import TorchPeer
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.runtimes.backends.torch import torch_package
from miniseg_edge.slices.preprocessing import FloatArray

WARM_UP_RUNS = 3
"""Warm-up before a capture, as torch's documentation recommends."""


class TorchCudaPeer(TorchPeer):
    """The network in torch, eager mode, on the GPU, with torch's own settings (which allow TF32)."""

    def __init__(self, configuration: Configuration, bundle: Bundle, streams: int) -> None:
        super().__init__(configuration, bundle, streams)
        self.network = self.network.cuda()

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        with self.torch.inference_mode():
            return np.asarray(self.network(self.torch.from_numpy(image).cuda()).cpu().numpy())


class TorchCudaGraphPeer(TorchCudaPeer):
    """The same, captured once as a CUDA graph and replayed, with pinned memory on both sides."""

    def __init__(self, configuration: Configuration, bundle: Bundle, streams: int) -> None:
        super().__init__(configuration, bundle, streams)
        torch = self.torch
        shape = (1, self.in_channels, *self.preprocessing.size)
        self.staged = torch.zeros(shape).pin_memory()
        self.image = torch.zeros(shape, device="cuda")
        self.graph = torch.cuda.CUDAGraph()
        with torch.inference_mode():
            side = torch.cuda.Stream()
            with torch.cuda.stream(side):
                for _ in range(WARM_UP_RUNS):
                    self.network(self.image)
            torch.cuda.synchronize()
            with torch.cuda.graph(self.graph):
                self.logits = self.network(self.image)
            self.answer = torch.empty(self.logits.shape).pin_memory()

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        with self.torch.inference_mode():
            np.copyto(self.staged.numpy(), image)
            self.image.copy_(self.staged, non_blocking=True)
            self.graph.replay()
            self.answer.copy_(self.logits, non_blocking=True)
            self.torch.cuda.synchronize()
            return np.array(self.answer.numpy())


class OnnxCudaPeer(OnnxPeer):
    """An ONNX file in ONNX Runtime with its CUDA provider and the provider's default options."""

    provider = "CUDAExecutionProvider"

    def __init__(self, configuration: Configuration, bundle: Bundle, streams: int) -> None:
        torch_package()  # brings the CUDA libraries for ONNX Runtime's provider
        super().__init__(configuration, bundle, streams)
