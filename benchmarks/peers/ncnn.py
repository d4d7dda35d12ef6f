"""ncnn with its own converter, on a CPU in FP32."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.benchmarks.peers.extra import EXTRA
from miniseg_edge.benchmarks.peers.onnxruntime import exported
from miniseg_edge.benchmarks.peers.peer import PeerFiles, PeerSubject
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import InferenceError
from miniseg_edge.host.dependencies import check_installed, require
from miniseg_edge.slices.preprocessing import FloatArray


def converted(files: PeerFiles) -> Path:
    """By pnnx; the weights are next to the graph. Raises: MissingDependencyError, InferenceError."""
    check_installed(("ncnn", "pnnx"), EXTRA)
    pnnx: Any = require("pnnx", EXTRA)
    source, manifest = exported(files), files.bundle.manifest
    shape = ",".join(map(str, (1, manifest.network.in_channels, *manifest.preprocessing.size)))
    path = source.with_suffix(".ncnn.param")
    # Full-precision weights, because the row is called FP32; the default would store them as FP16.
    command = [pnnx.EXEC_PATH, source.name, f"inputshape=[{shape}]", "fp16=0"]
    done = subprocess.run(command, cwd=files.folder, capture_output=True, check=False)  # noqa: S603  the vendor's own
    if done.returncode or not _weights(path).exists():
        raise InferenceError("pnnx failed", because=f"exit code {done.returncode}")
    return path


class NcnnPeer(PeerSubject):
    """A model in ncnn; FP32 is enforced."""

    def __init__(self, configuration: Configuration, bundle: Bundle, streams: int) -> None:
        super().__init__(bundle.manifest, streams)
        self.ncnn: Any = require("ncnn", EXTRA)
        self.net = self.ncnn.Net()
        options, path = self.net.opt, Path(configuration.source)
        options.num_threads = self.threads_of_a_stream(configuration.threads)
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        if self.net.load_param(str(path)) or self.net.load_model(str(_weights(path))):
            raise InferenceError("ncnn cannot open its model", expected="a model of pnnx", got=path.name)

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        with self.net.create_extractor() as extractor:
            extractor.input(self.net.input_names()[0], self.ncnn.Mat(image[0]))
            code, logits = extractor.extract(self.net.output_names()[0])
            if code:
                raise InferenceError("ncnn failed", because=f"code {code}")
            return np.array(logits, dtype=np.float32)[None]


def _weights(path: Path) -> Path:
    return path.with_suffix(".bin")
