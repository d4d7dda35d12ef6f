"""The peers, one row each: a new one is a function that makes it, one that opens it, and a row."""

from miniseg_edge.benchmarks.hardware import gpus_here
from miniseg_edge.benchmarks.peers import cuda, mnn, ncnn, onnxruntime, openvino, torch
from miniseg_edge.benchmarks.peers.peer import Peer, PeerFiles
from miniseg_edge.benchmarks.report import Failure
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.errors import MiniSegError
from miniseg_edge.host.silence import unattended

_ROWS = (
    Peer("torch eager", "torch", "fp32", "torch, eager mode", torch.as_trained, torch.TorchPeer),
    Peer(
        "plain ONNX Runtime FP32", "onnxruntime", "fp32", "torch.onnx.export",
        onnxruntime.exported, onnxruntime.OnnxPeer,
    ),
    Peer(
        "ONNX Runtime static INT8", "onnxruntime", "int8", "torch.onnx.export, quantize_static",
        onnxruntime.quantized, onnxruntime.OnnxPeer,
    ),
    Peer(
        "plain OpenVINO FP32", "openvino", "fp32", "torch.onnx.export, convert_model",
        openvino.converted, openvino.OpenVinoPeer,
    ),
    Peer(
        "NNCF default INT8", "openvino", "int8", "torch.onnx.export, convert_model, nncf.quantize",
        openvino.quantized, openvino.OpenVinoPeer,
    ),
    Peer(
        "plain MNN FP32", "mnn", "fp32", "torch.onnx.export, mnnconvert",
        mnn.converted, mnn.MnnPeer,
    ),
    Peer(
        "plain ncnn FP32", "ncnn", "fp32", "torch.onnx.export, pnnx",
        ncnn.converted, ncnn.NcnnPeer,
    ),
    Peer(
        "torch eager, CUDA", "torch", "fp32", "torch, eager mode, TF32",
        torch.as_trained, cuda.TorchCudaPeer, on_gpu=True,
    ),
    Peer(
        "torch CUDA graph", "torch", "fp32", "torch, CUDA graph, TF32",
        torch.as_trained, cuda.TorchCudaGraphPeer, on_gpu=True,
    ),
    Peer(
        "plain ONNX Runtime, CUDA", "onnxruntime", "fp32", "torch.onnx.export, TF32",
        onnxruntime.exported, cuda.OnnxCudaPeer, on_gpu=True,
    ),
)  # fmt: skip

PEERS = {peer.name: peer for peer in _ROWS}
"""By their names."""

BASELINES = ("torch eager, CUDA", "plain OpenVINO FP32")
"""Names of the peers that ratios refer to; the first that was measured is used."""


def peers_here() -> tuple[Peer, ...]:
    """Those that this machine could run, if their packages are installed."""
    return tuple(peer for peer in _ROWS if not peer.on_gpu or gpus_here())


def make_peers(files: PeerFiles) -> tuple[list[Configuration], list[Failure]]:
    """All peers that can be made here; the others are named with their reason."""
    made, failed = [], []
    for peer in peers_here():
        try:
            with unattended():
                made.append(peer.configuration(files))
        except MiniSegError as error:
            failed.append(Failure(peer.name, str(error)))
        except Exception as error:  # vendors raise other exceptions; the other peers are still made
            failed.append(Failure(peer.name, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))
    return made, failed
