"""OpenVINO: Intel and other CPUs, Intel GPUs."""

import threading
from typing import Any

import numpy as np

from miniseg_edge.bundle import Bundle
from miniseg_edge.dependencies import require
from miniseg_edge.errors import IncompatibleError, RuntimeUnavailableError
from miniseg_edge.preprocessing import ByteArray, FloatArray
from miniseg_edge.runtimes.interface import Runtime
from miniseg_edge.tensors import ANY

PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""Our name of a precision -> OpenVINO's for what has no quantizers: beside INT8, FP32, which every CPU has."""


def _openvino() -> Any:
    return require("openvino", "openvino")


def has_bf16() -> bool:
    """Whether OpenVINO computes in BF16 on this CPU, rather than taking the hint and computing in FP32.

    Raises:
        MissingDependencyError: no openvino here.
    """
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVino(Runtime):
    """An IR (.xml, .bin) compiled for one device; each thread has an infer request of its own."""

    name = "openvino"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cpu`, then what else OpenVINO finds: `gpu`, `gpu.1`, `npu`, ..."""
        found = [device.lower() for device in _openvino().Core().available_devices]
        if not found:  # it passes over a device that it cannot start, without a word
            raise RuntimeUnavailableError(
                "openvino finds no device", "cpu", "none",
                "If this is a CPU that it supports: the host may allow this process no more threads or memory.",
            )  # fmt: skip
        return tuple(sorted(found, key=lambda device: (device != "cpu", device)))

    @property
    def version(self) -> str:
        """The package's version."""
        return str(_openvino().__version__)

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        if not files[0].startswith(b"<?xml"):  # the reader guesses formats, and others could name files outside
            raise IncompatibleError("the openvino artefact is no IR", "an .xml file", files[0][:8].hex(" "))
        core = _openvino().Core()
        model = core.read_model(model=files[0], weights=files[1])
        # A free batch makes every call slow, a call with one slice too; that is compiled apart, for one slice.
        self._batch_model = model.clone() if self.input.shape[0] == ANY and ANY not in self.input.shape[1:] else None
        if self._batch_model is not None:
            model.reshape([1, *self.input.shape[1:]])
        self._compiled = core.compile_model(model, self.device.upper(), self._config())
        self._check_precision()
        self._compiled_for_batches: Any = None
        self._compiling = threading.Lock()
        self._requests = threading.local()

    def _check_precision(self) -> None:
        """The plugin takes a hint that the device cannot follow without a word; an artefact never runs as another."""
        wanted = PRECISION_HINTS[self.artifact.precision]
        found = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if found != wanted:
            raise IncompatibleError(
                f"{self.device} cannot run the artefact's precision", wanted, found, "Export it for this machine."
            )

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            # Said outright: a CPU that has BF16 would use it by itself.
            "INFERENCE_PRECISION_HINT": PRECISION_HINTS[self.artifact.precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        if self.device == "cpu":
            config["NUM_STREAMS"] = self.streams
            config["ENABLE_CPU_PINNING"] = False  # cores belong to the host application
            if self.threads is not None:
                config["INFERENCE_NUM_THREADS"] = self.threads
        return config

    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        request = self._batch_request() if len(values) > 1 and self._batch_model is not None else self._request()
        # Written by the vendor where the caller will read it; the request's own buffer would be used again, or copied.
        found = np.empty((len(values), self.output.shape[1], *values.shape[2:]), self.output.dtype)
        request.set_output_tensor(0, _openvino().Tensor(found, shared_memory=True))
        # On the engine's own thread. `infer` runs on the caller's, and where several of them compete for the processor,
        # OpenVINO keeps some 50 kB of each call: 8 threads on 2 busy cores grew by 300 MB in 4,000 slices.
        request.start_async({0: values}, share_inputs=True)
        request.wait()
        return found

    def _request(self) -> Any:
        """This thread's own."""
        request = getattr(self._requests, "single", None)
        if request is None:
            request = self._requests.single = self._compiled.create_infer_request()
        return request

    def _batch_request(self) -> Any:
        """This thread's own for several slices at once; what it needs is compiled at the first such call."""
        request = getattr(self._requests, "batch", None)
        if request is None:
            with self._compiling:
                if self._compiled_for_batches is None:
                    core, device = _openvino().Core(), self.device.upper()
                    self._compiled_for_batches = core.compile_model(self._batch_model, device, self._config())
            request = self._requests.batch = self._compiled_for_batches.create_infer_request()
        return request
