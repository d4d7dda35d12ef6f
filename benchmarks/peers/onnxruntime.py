"""ONNX Runtime with its own exporter, quantizer and options."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.benchmarks.peers.peer import PeerFiles, PeerSubject, published_input
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import InferenceError
from miniseg_edge.host.dependencies import check_installed, require
from miniseg_edge.runtimes.backends.torch import torch_package, trained_network
from miniseg_edge.slices.images import slice_from_file
from miniseg_edge.slices.preprocessing import FloatArray

CALIBRATION_SLICES = 20


def exported(files: PeerFiles) -> Path:
    """The network as trained through torch.onnx.export, with both logits; made once. Raises: MissingDependencyError."""
    path = files.folder / "plain.onnx"
    if path.exists():
        return path
    torch, manifest = torch_package(), files.bundle.manifest
    example = torch.zeros(1, manifest.network.in_channels, *manifest.preprocessing.size)
    torch.onnx.export(
        trained_network(files.bundle),
        (example,),
        str(path),
        input_names=["image"],
        output_names=["logits"],
        external_data=False,
        verbose=False,
    )
    return path


def quantized(files: PeerFiles) -> Path:
    """By `quantize_static` with its defaults. Raises: MissingDependencyError."""
    check_installed(("onnxruntime",), "onnxruntime")
    quantization: Any = require("onnxruntime.quantization", "bench")
    path = files.folder / "static_int8.onnx"

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Feeds the calibration slices one by one."""

        def __init__(self) -> None:
            self.inputs = ({"image": image} for image in calibration_images(files))

        def get_next(self) -> Any:
            return next(self.inputs, None)

    quantization.quantize_static(str(exported(files)), str(path), Reader())
    return path


def calibration_images(files: PeerFiles) -> Iterator[FloatArray]:
    """(1, in_channels, *size) float32, as the published evaluation prepares them."""
    manifest = files.bundle.manifest
    for path in files.calibration[:CALIBRATION_SLICES]:
        slice_ = slice_from_file(path, manifest.interface.channels)
        yield published_input(slice_, manifest.preprocessing, manifest.network.in_channels)


class OnnxPeer(PeerSubject):
    """An ONNX file in ONNX Runtime with its default options, except for the number of threads."""

    provider = "CPUExecutionProvider"

    def __init__(self, configuration: Configuration, bundle: Bundle, streams: int) -> None:
        super().__init__(bundle.manifest, streams)
        threads = configuration.threads
        ort: Any = require("onnxruntime", "onnxruntime")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None or streams > 1:
            options.intra_op_num_threads = max(1, (threads or os.cpu_count() or 1) // streams)
        self.session = ort.InferenceSession(configuration.source, options, providers=[self.provider])
        if self.session.get_providers()[0] != self.provider:
            raise InferenceError(
                "onnxruntime used another provider", expected=self.provider, got=str(self.session.get_providers())
            )
        self.input = self.session.get_inputs()[0].name

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        return np.asarray(self.session.run(None, {self.input: image})[0])
