"""MNN with its own converter, on a CPU in FP32."""

import threading
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
from miniseg_edge.measuring.process import MeasuringProcess
from miniseg_edge.slices.preprocessing import FloatArray


def converted(files: PeerFiles) -> Path:
    """By MNN's converter. Raises: MissingDependencyError, InferenceError."""
    check_installed(("MNN",), EXTRA)
    path = files.folder / "plain.mnn"
    with MeasuringProcess("miniseg_edge.benchmarks.peers.conversion", "MNN's converter") as process:
        if not process.ask("mnn", source=str(exported(files)), target=str(path)):
            raise InferenceError("MNN's converter failed", expected="a model", got="none")
    return path


class MnnPeer(PeerSubject):
    """A model in MNN's sessions, one per calling thread; FP32 is enforced."""

    def __init__(self, configuration: Configuration, bundle: Bundle, streams: int) -> None:
        super().__init__(bundle.manifest, streams)
        self.mnn: Any = require("MNN", EXTRA)
        self.path = configuration.source
        self.options = {
            "backend": "CPU",
            "precision": "high",
            "numThread": self.threads_of_a_stream(configuration.threads),
        }
        self.sessions = threading.local()

    def run(self, image: FloatArray) -> FloatArray:
        """As `PeerSubject.run`."""
        if not hasattr(self.sessions, "session"):
            self.sessions.interpreter = self.mnn.Interpreter(self.path)
            self.sessions.session = self.sessions.interpreter.createSession(self.options)
        interpreter, session = self.sessions.interpreter, self.sessions.session
        interpreter.getSessionInput(session).copyFrom(self._tensor(image))
        interpreter.runSession(session)
        output = interpreter.getSessionOutput(session)
        logits = np.zeros(output.getShape(), np.float32)
        there = self._tensor(logits)
        output.copyToHostTensor(there)
        return np.array(there.getNumpyData(), dtype=np.float32)

    def _tensor(self, values: FloatArray) -> Any:
        mnn = self.mnn
        return mnn.Tensor(values.shape, mnn.Halide_Type_Float, values, mnn.Tensor_DimensionType_Caffe)
