"""OpenVINO with its own converter, NNCF and options."""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.benchmarks.peers.onnxruntime import calibration_images, exported
from miniseg_edge.benchmarks.peers.peer import PeerFiles, PeerSubject
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.host.dependencies import require
from miniseg_edge.slices.preprocessing import FloatArray


def converted(files: PeerFiles) -> Path:
    """By `convert_model`. Raises: MissingDependencyError."""
    openvino: Any = require("openvino", "openvino")
    path = files.folder / "plain.xml"
    # Full-precision weights, because the row is called FP32; the default would store them as FP16.
    openvino.save_model(openvino.convert_model(str(exported(files))), path, compress_to_fp16=False)
    return path


def quantized(files: PeerFiles) -> Path:
    """By `nncf.quantize` with its defaults. Raises: MissingDependencyError."""
    openvino: Any = require("openvino", "openvino")
    nncf: Any = require("nncf", "bench")
    path = files.folder / "nncf_int8.xml"
    model = openvino.convert_model(str(exported(files)))
    openvino.save_model(nncf.quantize(model, nncf.Dataset(list(calibration_images(files)))), path)
    return path


class OpenVinoPeer(PeerSubject):
    """An IR in OpenVINO; FP32 is enforced, for a fair comparison."""

    def __init__(self, configuration: Configuration, bundle: Bundle, streams: int) -> None:
        super().__init__(bundle.manifest, streams)
        core = require("openvino", "openvino").Core()
        hint = "LATENCY" if streams == 1 else "THROUGHPUT"
        config: dict[str, Any] = {"PERFORMANCE_HINT": hint, "NUM_STREAMS": streams, "INFERENCE_PRECISION_HINT": "f32"}
        if configuration.threads is not None:
            config["INFERENCE_NUM_THREADS"] = configuration.threads
        self.compiled = core.compile_model(configuration.source, "CPU", config)
        self.requests = threading.local()

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        request = getattr(self.requests, "request", None)
        if request is None:
            request = self.requests.request = self.compiled.create_infer_request()
        return np.asarray(request.infer({0: image}, share_inputs=True)[0])
