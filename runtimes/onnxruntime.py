"""ONNX Runtime: anywhere."""

from typing import Any

import numpy as np

from miniseg_edge.bundle import Bundle
from miniseg_edge.dependencies import require
from miniseg_edge.errors import RuntimeUnavailableError
from miniseg_edge.host import usable_cores
from miniseg_edge.onnx_file import check_self_contained
from miniseg_edge.preprocessing import ByteArray, FloatArray
from miniseg_edge.runtimes.interface import Runtime

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def _onnxruntime() -> Any:
    return require("onnxruntime", "onnxruntime")


class OnnxRuntime(Runtime):
    """An ONNX file in an InferenceSession; sessions allow concurrent runs."""

    name = "onnxruntime"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cpu`, and `cuda:0` where the CUDA build is installed."""
        available = _onnxruntime().get_available_providers()
        return ("cpu", "cuda:0") if _PROVIDERS["cuda"] in available else ("cpu",)

    @property
    def version(self) -> str:
        """The package's version."""
        return str(_onnxruntime().__version__)

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        check_self_contained(files[0])
        ort = _onnxruntime()
        options = ort.SessionOptions()
        options.add_session_config_entry("session.load_model_format", "ONNX")  # it would guess, and has another format
        options.log_severity_level = 3
        # Idle workers must not burn the host application's cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        threads = self.threads or (usable_cores() if self.streams > 1 else None)
        if threads is not None:
            options.intra_op_num_threads = max(1, threads // self.streams)
        kind, _, index = self.device.partition(":")
        provider: Any = _PROVIDERS[kind] if kind == "cpu" else (_PROVIDERS[kind], {"device_id": int(index)})
        self._session = ort.InferenceSession(files[0], options, providers=[provider])
        if self._session.get_providers()[0] != _PROVIDERS[kind]:  # it would go on on the CPU without a word
            raise RuntimeUnavailableError(
                f"onnxruntime did not take {self.device}",
                _PROVIDERS[kind],
                str(self._session.get_providers()),
            )
        self._input, self._output = self.input.name, self.output.name

    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        return np.asarray(self._session.run([self._output], {self._input: values})[0])
