"""OpenVINO: Intel and other CPUs, Intel GPUs."""

import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact, PrecisionShare
from miniseg_edge.errors import IncompatibleError, InferenceError, RuntimeUnavailableError
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.backends.capabilities import DenseChain, OperatorTime, VendorProgram
from miniseg_edge.runtimes.backends.interface import Runtime
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray
from miniseg_edge.tensors import ANY

PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""Our name of a precision -> OpenVINO's for layers without quantizers: with INT8 that is FP32, which every CPU has."""

COUNTED_RUNS = 20
"""Number of inferences after which the vendor's counters are read."""

_CONVOLUTIONS = {"Convolution", "GroupConvolution"}
_PRECISIONS = {"i8": "int8", "u8": "int8", "bf16": "bf16", "f32": "fp32", "f16": "fp16"}
"""OpenVINO's name of an operator's precision -> ours."""


_ONEDNN_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables that restrict OpenVINO's kernels to fewer instructions than the CPU has; the first one set
counts.
"""

_SETS_WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}


def _openvino() -> Any:
    return require("openvino", "openvino")


def has_bf16() -> bool:
    """Whether OpenVINO really computes in BF16 on this CPU, instead of accepting the hint and computing in FP32.

    It reports the CPU's features, even if oneDNN must not use them.

    Raises:
        MissingDependencyError: no openvino here.
    """
    limit = next((os.environ[name] for name in _ONEDNN_LIMITS if name in os.environ), "")
    if limit.upper() in _SETS_WITHOUT_BF16:
        return False
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVino(Runtime):
    """An IR (.xml, .bin) compiled for one device; each thread has its own infer request."""

    name = "openvino"
    reads_models = True

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cpu`, then OpenVINO's other devices: `gpu`, `gpu.1`, `npu`, ..."""
        found = [device.lower() for device in _openvino().Core().available_devices]
        if not found:  # it silently skips a device that it cannot start
            raise RuntimeUnavailableError(
                "openvino found no device", expected="cpu", got="none",
                remedy="On a supported CPU, check the limits on threads and memory of this process.",
            )  # fmt: skip
        return tuple(sorted(found, key=lambda device: (device != "cpu", device)))

    @classmethod
    def mismatch(cls, artifact: Artifact, device: str) -> str | None:
        """A CPU without BF16. Some would emulate it, slowly. Raises: MissingDependencyError."""
        if device != "cpu" or artifact.precision != "bf16" or has_bf16():
            return None
        return "this CPU has no BF16 (AVX-512 BF16 or AMX); fp32, where the bundle is exported with it, runs on any"

    @property
    def version(self) -> str:
        """The package's version."""
        return str(_openvino().__version__)

    @classmethod
    def operator_times(cls, bundle: Bundle, artifact: Artifact, values: FloatArray) -> list[OperatorTime]:
        """From the counters of its infer request."""
        config = {"PERF_COUNT": True, "PERFORMANCE_HINT": "LATENCY"}
        compiled = _on_cpu([bundle.contents[name] for name in artifact.files], artifact.precision, config)
        request = compiled.create_infer_request()
        times: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(COUNTED_RUNS):
            request.infer({0: values})
            for info in request.profiling_info:
                if str(info.status).endswith("EXECUTED"):
                    ms = info.real_time.total_seconds() * 1e3
                    times[info.node_name, f"{info.node_type} {info.exec_type}"].append(ms)
        return [OperatorTime(name, kind, float(np.mean(ms))) for (name, kind), ms in times.items()]

    @classmethod
    def precision_shares(cls, files: Sequence[bytes], precision: str, values: FloatArray) -> tuple[PrecisionShare, ...]:
        """From the counters of the compiled model. Raises: InferenceError, MissingDependencyError."""
        compiled = _on_cpu(files, precision, {"PERF_COUNT": True})
        request = compiled.create_infer_request()
        for _ in range(COUNTED_RUNS):  # the counters are means over the runs
            request.infer({0: values})
        return _shares(compiled.get_runtime_model().get_ops())

    dense_precisions = ("fp32", "bf16")

    @classmethod
    def dense(cls, chain: DenseChain, precision: str, threads: int | None) -> Callable[[FloatArray], object]:
        """As `Runtime.dense`."""
        openvino = _openvino()
        ops = openvino.opset13
        image = last = ops.parameter(list(chain.shape), np.float32)
        for _ in range(chain.layers):
            last = ops.convolution(last, ops.constant(chain.weights()), [1, 1], [1, 1], [1, 1], [1, 1])
        config = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision],
        }
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = threads
        compiled = openvino.Core().compile_model(openvino.Model([last], [image], "dense"), "CPU", config)
        request = compiled.create_infer_request()
        return lambda values: request.infer({0: values}, share_inputs=True, share_outputs=True)

    @classmethod
    def vendor_program(
        cls, files: Sequence[Path], precision: str, threads: int | None, seconds: float
    ) -> VendorProgram:
        """Its benchmark_app: synchronous, one request, in the artefact's precision."""
        words = (
            "benchmark_app", "-m", str(files[0]), "-d", "CPU", "-hint", "none", "-api", "sync", "-nireq", "1",
            "-nstreams", "1", "-infer_precision", PRECISION_HINTS[precision], "-t", str(max(1, round(seconds))),
            "-report_type", "no_counters", "-json_stats", *(() if threads is None else ("-nthreads", str(threads))),
        )  # fmt: skip
        return VendorProgram(lambda folder: (*words, "-report_folder", str(folder)), _median_ms)

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        if self.mismatch(self.artifact, self.device) is not None:
            raise IncompatibleError(
                "this CPU cannot run the artefact's precision",
                expected="AVX-512 BF16 or AMX for bf16",
                got="neither",
                remedy="Use fp32 if the bundle has it, or another runtime, or export again with --precision fp32.",
            )
        core = _openvino().Core()
        model = core.read_model(model=files[0], weights=files[1])
        # A free batch makes every call slow, even with one slice; so one slice is compiled separately.
        self._batch_model = model.clone() if self.input.shape[0] == ANY and ANY not in self.input.shape[1:] else None
        if self._batch_model is not None:
            model.reshape([1, *self.input.shape[1:]])
        self._compiled = core.compile_model(model, self.device.upper(), self._config())
        self._check_precision()
        self._compiled_for_batches: Any = None
        self._compiling = threading.Lock()
        self._requests = threading.local()

    def _check_precision(self) -> None:
        """The plugin silently accepts an unsupported hint; an artefact never runs in another precision."""
        wanted = PRECISION_HINTS[self.artifact.precision]
        found = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if found != wanted:
            raise IncompatibleError(
                f"{self.device} cannot run the artefact's precision",
                expected=wanted,
                got=found,
                remedy="Export it for this machine.",
            )

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            # Set explicitly: a CPU that has BF16 would use it by default.
            "INFERENCE_PRECISION_HINT": PRECISION_HINTS[self.artifact.precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        if self.device == "cpu":
            config["NUM_STREAMS"] = self.streams
            config["ENABLE_CPU_PINNING"] = False  # the cores belong to the host application
            if self.threads is not None:
                config["INFERENCE_NUM_THREADS"] = self.threads
        return config

    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        request = self._batch_request() if len(values) > 1 and self._batch_model is not None else self._request()
        # The vendor writes into the caller's array; the request's own buffer would be reused, or copied.
        found = np.empty((len(values), self.output.shape[1], *values.shape[2:]), self.output.dtype)
        request.set_output_tensor(0, _openvino().Tensor(found, shared_memory=True))
        # On the engine's own thread. `infer` runs on the caller's, and if several callers compete for the processor,
        # OpenVINO retains some 50 kB per call: 8 threads on 2 busy cores grew by 300 MB in 4,000 slices.
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
        """This thread's request for several slices at once; its model is compiled at the first such call."""
        request = getattr(self._requests, "batch", None)
        if request is None:
            with self._compiling:
                if self._compiled_for_batches is None:
                    core, device = _openvino().Core(), self.device.upper()
                    self._compiled_for_batches = core.compile_model(self._batch_model, device, self._config())
            request = self._requests.batch = self._compiled_for_batches.create_infer_request()
        return request


def _on_cpu(files: Sequence[bytes], precision: str, config: dict[str, Any]) -> Any:
    """An IR compiled for this CPU, in its own precision."""
    core = _openvino().Core()
    hint = {"INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision]}
    return core.compile_model(core.read_model(files[0], files[1]), "CPU", {**config, **hint})


def _shares(operators: Sequence[Any]) -> tuple[PrecisionShare, ...]:
    count: Counter[str] = Counter()
    convolutions: Counter[str] = Counter()
    micros: Counter[str] = Counter()
    for operator in operators:
        about = operator.get_rt_info()
        taken = str(about["execTimeMcs"].value)
        if taken == "not_executed":
            continue
        precision = _PRECISIONS.get(str(about["runtimePrecision"].value).lower(), "other")
        count[precision] += 1
        convolutions[precision] += str(about["layerType"].value) in _CONVOLUTIONS
        micros[precision] += int(taken)
    total = sum(micros.values())
    if not total:
        raise InferenceError("the compiled model has no counters", expected="times of its operators", got="none")
    found = (PrecisionShare(name, count[name], convolutions[name], micros[name] / total) for name in count)
    return tuple(sorted(found, key=lambda share: (-share.time_share, share.precision)))


def _median_ms(folder: Path) -> float:
    report = json.loads((folder / "benchmark_report.json").read_text())
    return float(report["execution_results"]["latency (ms)"])
