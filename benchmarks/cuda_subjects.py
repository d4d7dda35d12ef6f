"""The peers on an NVIDIA GPU, each as its vendor's own examples do it; copies to the GPU and back are theirs too."""

from pathlib import Path

import numpy as np

from miniseg_edge.benchmarks.configuration import ONNX_CUDA, TORCH_CUDA_GRAPH, Configuration
from miniseg_edge.benchmarks.subjects import OnnxPeer, PeerSubject, TorchPeer
from miniseg_edge.bundle import open_bundle
from miniseg_edge.dependencies import require
from miniseg_edge.preprocessing import FloatArray

WARM_UP_RUNS = 3
"""Before a capture, as torch's documentation has it."""


class TorchCudaPeer(TorchPeer):
    """The network in torch, eager mode, on the GPU, with torch's own settings (which allow TF32)."""

    def __init__(self, source: Path, threads: int | None) -> None:
        super().__init__(source, threads)
        self.network = self.network.cuda()

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        with self.torch.inference_mode():
            return np.asarray(self.network(self.torch.from_numpy(image).cuda()).cpu().numpy())


class TorchCudaGraphPeer(TorchCudaPeer):
    """The same, captured once as a CUDA graph and replayed, with pinned memory on both sides."""

    def __init__(self, source: Path, threads: int | None) -> None:
        super().__init__(source, threads)
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
    """An ONNX file in ONNX Runtime with its CUDA provider and that one's default options."""

    provider = "CUDAExecutionProvider"


def opened_on_gpu(configuration: Configuration, bundle: Path, streams: int) -> PeerSubject:
    """The peer of a kind of `CUDA_PEERS`. Raises whatever its vendor raises."""
    source, threads = Path(configuration.source), configuration.threads
    if configuration.kind == ONNX_CUDA:
        require("torch", "bench")  # brings the CUDA libraries that ONNX Runtime's provider wants
        return OnnxCudaPeer(source, open_bundle(bundle).manifest, threads, streams)
    return (TorchCudaGraphPeer if configuration.kind == TORCH_CUDA_GRAPH else TorchCudaPeer)(source, threads)
