"""What people would do without us, made on the spot from the same weights.

Nothing of `miniseg_edge.export` is used: a peer is the vendor's own way with the vendor's own defaults.
`docs/benchmark.md` says exactly how each is made.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniseg_edge.benchmarks.configuration import ONNX_CUDA, TORCH_CUDA, TORCH_CUDA_GRAPH, Configuration
from miniseg_edge.benchmarks.machine import gpus_here
from miniseg_edge.benchmarks.report import Failure
from miniseg_edge.benchmarks.subjects import published_input
from miniseg_edge.bundle import Bundle
from miniseg_edge.dependencies import require
from miniseg_edge.errors import MiniSegError
from miniseg_edge.images import slice_from_file
from miniseg_edge.preprocessing import FloatArray
from miniseg_edge.silence import unattended

BASELINE = "plain OpenVINO FP32"
CUDA_BASELINE = "torch eager, CUDA"
CALIBRATION_SLICES = 20


@dataclass(frozen=True)
class PeerFiles:
    """Where the peers are made, and from what.

    Attributes:
        bundle: opened; its reference weights and preprocessing are used.
        bundle_path: the same on disk.
        folder: where the models go.
        calibration: slices for the INT8 peers.
        threads: of each runtime, or None.
    """

    bundle: Bundle
    bundle_path: Path
    folder: Path
    calibration: Sequence[Path]
    threads: int | None


def make_peers(files: PeerFiles) -> tuple[list[Configuration], list[Failure]]:
    """All peers that can be made here; the others are named with their reason."""
    made, failed = [], []
    for name, make in makers():
        try:
            with unattended():
                made.append(make(files))
        except MiniSegError as error:
            failed.append(Failure(name, str(error)))
        except Exception as error:  # vendors raise kinds of their own; the other peers go on
            failed.append(Failure(name, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))
    return made, failed


def makers() -> tuple[tuple[str, Callable[[PeerFiles], Configuration]], ...]:
    """Every peer that this machine could run, and what makes it."""
    everywhere = (
        ("torch eager", _torch_eager),
        ("plain ONNX Runtime FP32", _plain_onnx),
        ("ONNX Runtime static INT8", _onnx_int8),
        (BASELINE, _plain_openvino),
        ("NNCF default INT8", _nncf_int8),
    )
    on_a_gpu = (
        (CUDA_BASELINE, _torch_cuda),
        ("torch CUDA graph", _torch_cuda_graph),
        ("plain ONNX Runtime, CUDA", _onnx_cuda),
    )
    return (*everywhere, *on_a_gpu) if gpus_here() else everywhere


def _torch_eager(files: PeerFiles) -> Configuration:
    require("torch", "export")
    return Configuration(
        "torch eager", "torch-eager", "torch", "fp32", str(files.bundle_path), "torch, eager mode", files.threads
    )


def _torch_cuda(files: PeerFiles) -> Configuration:
    require("torch", "export")
    return Configuration(
        CUDA_BASELINE, TORCH_CUDA, "torch", "fp32", str(files.bundle_path), "torch, eager mode, TF32", files.threads
    )


def _torch_cuda_graph(files: PeerFiles) -> Configuration:
    require("torch", "export")
    how = "torch, CUDA graph, TF32"
    return Configuration(
        "torch CUDA graph", TORCH_CUDA_GRAPH, "torch", "fp32", str(files.bundle_path), how, files.threads
    )


def _onnx_cuda(files: PeerFiles) -> Configuration:
    how = "torch.onnx.export, TF32"
    return Configuration(
        "plain ONNX Runtime, CUDA", ONNX_CUDA, "onnxruntime", "fp32", str(_onnx_file(files)), how, files.threads
    )


def _plain_onnx(files: PeerFiles) -> Configuration:
    path = _onnx_file(files)
    return Configuration(
        "plain ONNX Runtime FP32", "plain-onnx", "onnxruntime", "fp32", str(path), "torch.onnx.export", files.threads
    )


def _onnx_int8(files: PeerFiles) -> Configuration:
    quantization: Any = require("onnxruntime.quantization", "bench")
    path = files.folder / "static_int8.onnx"

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Feeds the calibration slices one by one."""

        def __init__(self) -> None:
            self.inputs = ({"image": image} for image in _images(files))

        def get_next(self) -> Any:
            return next(self.inputs, None)

    quantization.quantize_static(str(_onnx_file(files)), str(path), Reader())
    return Configuration(
        "ONNX Runtime static INT8",
        "onnx-int8",
        "onnxruntime",
        "int8",
        str(path),
        "torch.onnx.export, quantize_static",
        files.threads,
    )


def _plain_openvino(files: PeerFiles) -> Configuration:
    openvino: Any = require("openvino", "openvino")
    path = files.folder / "plain.xml"
    # Full-precision weights, because the row is called FP32; the default would store them as FP16.
    openvino.save_model(openvino.convert_model(str(_onnx_file(files))), path, compress_to_fp16=False)
    return Configuration(
        BASELINE, "plain-openvino", "openvino", "fp32", str(path), "torch.onnx.export, convert_model", files.threads
    )


def _nncf_int8(files: PeerFiles) -> Configuration:
    openvino: Any = require("openvino", "openvino")
    nncf: Any = require("nncf", "bench")
    path = files.folder / "nncf_int8.xml"
    model = openvino.convert_model(str(_onnx_file(files)))
    openvino.save_model(nncf.quantize(model, nncf.Dataset(list(_images(files)))), path)
    return Configuration(
        "NNCF default INT8",
        "nncf-int8",
        "openvino",
        "int8",
        str(path),
        "torch.onnx.export, convert_model, nncf.quantize",
        files.threads,
    )


def _onnx_file(files: PeerFiles) -> Path:
    """The network as trained through torch.onnx.export, both logits out; made once."""
    path = files.folder / "plain.onnx"
    if path.exists():
        return path
    import miniseg_edge.training  # noqa: F401  settles how torch's threads wait

    torch: Any = require("torch", "export")
    from miniseg_edge.training.reference import reference_network

    manifest = files.bundle.manifest
    weights = require("safetensors.torch", "export").load(files.bundle.contents["reference/weights.safetensors"])
    network = reference_network(manifest.network, weights)
    example = torch.zeros(1, manifest.network.in_channels, *manifest.preprocessing.size)
    torch.onnx.export(
        network,
        (example,),
        str(path),
        input_names=["image"],
        output_names=["logits"],
        external_data=False,
        verbose=False,
    )
    return path


def _images(files: PeerFiles) -> Iterator[FloatArray]:
    manifest = files.bundle.manifest
    for path in files.calibration[:CALIBRATION_SLICES]:
        slice_ = slice_from_file(path, manifest.interface.channels)
        yield published_input(slice_, manifest.preprocessing, manifest.network.in_channels)
