"""ONNX Runtime: anywhere."""

from typing import Any

import numpy as np

from miniseg_edge.bundle import Bundle
from miniseg_edge.dependencies import require
from miniseg_edge.host import usable_cores
from miniseg_edge.onnx_file import check_self_contained
from miniseg_edge.preprocessing import ByteArray, FloatArray
from miniseg_edge.runtimes.interface import Runtime


def onnxruntime() -> Any:
    """The package. Raises: MissingDependencyError."""
    return require("onnxruntime", "onnxruntime")


def session_options() -> Any:
    """Options that every session of ours has."""
    options = onnxruntime().SessionOptions()
    options.add_session_config_entry("session.load_model_format", "ONNX")  # it would guess, and has another format
    options.log_severity_level = 3
    # Idle workers must not burn the host application's cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class OnnxRuntime(Runtime):
    """An ONNX file in an InferenceSession on the CPU; sessions allow concurrent runs."""

    name = "onnxruntime"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cpu`."""
        return ("cpu",)

    @property
    def version(self) -> str:
        """The package's version."""
        return str(onnxruntime().__version__)

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        check_self_contained(files[0])
        options = session_options()
        threads = self.threads or (usable_cores() if self.streams > 1 else None)
        if threads is not None:
            options.intra_op_num_threads = max(1, threads // self.streams)
        self._session = onnxruntime().InferenceSession(files[0], options, providers=["CPUExecutionProvider"])
        self._input, self._output = self.input.name, self.output.name

    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        return np.asarray(self._session.run([self._output], {self._input: values})[0])
