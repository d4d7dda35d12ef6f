"""The runtimes, one row each. A new backend is a module, a row here and a contract-test parameter.

Other installed packages add rows by entry points in the group `miniseg_edge.runtimes`.
"""

import functools
import importlib
from dataclasses import dataclass

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import REFERENCE_TARGET, Artifact
from miniseg_edge.errors import ForkedError, MissingDependencyError, RuntimeUnavailableError, UsageError
from miniseg_edge.host.dependencies import installed
from miniseg_edge.runtimes.backends.interface import Runtime

AUTO = "auto"
ENTRY_POINT_GROUP = "miniseg_edge.runtimes"


@dataclass(frozen=True)
class RuntimeEntry:
    """A row of the registry.

    Attributes:
        name: the value of `runtime=` and `--runtime`.
        target: the artefact that it reads.
        implementation: "module:class".
        package: what must be importable, or None for our own runtime, whose class is asked for devices.
        extra: that installs it, or None.
        reference: for parity only; never chosen by "auto".
        other_names: alternative names of the package.
        needs_gpu: whether there may be no device at all.
        alternative: it reads the same target as the row before it, and is only used if it or its device is requested.
    """

    name: str
    target: str
    implementation: str
    package: str | None = None
    extra: str | None = None
    reference: bool = False
    other_names: tuple[str, ...] = ()
    needs_gpu: bool = False
    alternative: bool = False

    def load(self) -> type[Runtime]:
        """The class; its module imports no vendor's package at import time."""
        module, _, name = self.implementation.partition(":")
        found: type[Runtime] = getattr(importlib.import_module(module), name)
        return found

    def artifact(self, bundle: Bundle, precision: str = AUTO) -> Artifact | None:
        """The artefact that this runtime would read; FP32 is preferred unless a precision is requested."""
        return bundle.manifest.artifact(self.target, None if precision == AUTO else precision)

    def is_inexact(self, bundle: Bundle, precision: str = AUTO) -> bool:
        """Whether this runtime's artefact exists, but not in FP32."""
        found = self.artifact(bundle, precision)
        return found is not None and found.precision != "fp32"

    def obstacle(self, bundle: Bundle, precision: str = AUTO) -> str | None:
        """Why this runtime cannot serve this bundle here, or None."""
        if self.artifact(bundle, precision) is None:
            return f"the bundle has no {self.target} artefact" + ("" if precision == AUTO else f" in {precision}")
        return self.absence()

    def absence(self) -> str | None:
        """Why this runtime can serve no bundle here, or None; asks for devices only where there may be none."""
        if self.package is not None and not any(installed(name) for name in (self.package, *self.other_names)):
            remedy = "" if self.extra is None else f' (pip install "miniseg-edge[{self.extra}]")'
            return f"{self.package} is not installed{remedy}"
        if self.needs_gpu or self.package is None:
            try:
                self.load().devices()
            except (RuntimeUnavailableError, MissingDependencyError, ForkedError) as error:
                return error.summary
        return None

    def fitting(self, artifact: Artifact, device: str) -> tuple[str | None, str]:
        """The first (or the requested) device that can run an artefact; or None, and the reason."""
        offered = self.load().devices()
        asked = offered if device == AUTO else tuple(name for name in offered if name == device)
        reasons = []
        for name in asked:
            if (mismatch := self.load().mismatch(artifact, name)) is None:
                return name, ""
            reasons.append(mismatch)
        return None, "; ".join(dict.fromkeys(reasons)) or f"no device {device} here"


# In the order of preference of "auto": an engine for its GPU, then our own library, then OpenVINO. Our library has been
# faster than OpenVINO on every CPU measured so far.
_OURS = (
    RuntimeEntry(
        "tensorrt",
        "trt",
        "miniseg_edge.runtimes.backends.tensorrt.runtime:TensorRt",
        "tensorrt",
        "tensorrt",
        needs_gpu=True,
    ),
    RuntimeEntry(
        "tensorrt-rtx",
        "trt-rtx",
        "miniseg_edge.runtimes.backends.tensorrt.runtime:TensorRtForRtx",
        "tensorrt_rtx",
        "tensorrt-rtx",
        other_names=("tensorrt_rtx_bindings",),
        needs_gpu=True,
    ),
    RuntimeEntry("native", "native", "miniseg_edge.runtimes.backends.native:Native"),
    RuntimeEntry("openvino", "openvino", "miniseg_edge.runtimes.backends.openvino:OpenVino", "openvino", "openvino"),
    RuntimeEntry(
        "onnxruntime", "onnx", "miniseg_edge.runtimes.backends.onnxruntime:OnnxRuntime", "onnxruntime", "onnxruntime"
    ),
    RuntimeEntry(
        "onnxruntime-cuda",
        "onnx",
        "miniseg_edge.runtimes.backends.cuda.onnxruntime_cuda:OnnxRuntimeCuda",
        "onnxruntime",
        "onnxruntime-cuda",
        needs_gpu=True,
        alternative=True,
    ),
    RuntimeEntry(
        "torch",
        REFERENCE_TARGET,
        "miniseg_edge.runtimes.backends.torch:TorchReference",
        "torch",
        "torch",
        reference=True,
    ),
)


@functools.cache
def registry() -> tuple[RuntimeEntry, ...]:
    """Every runtime: ours, then those of other installed packages. Raises: UsageError, as `extended`."""
    from miniseg_edge.host.plugins import extended  # querying packages takes a tenth of a second

    return extended(_OURS, ENTRY_POINT_GROUP)


def entries_for(bundle: Bundle) -> tuple[RuntimeEntry, ...]:
    """The rows that matter for a bundle: packages are only queried if it contains a target that ours do not read."""
    read = {entry.target for entry in _OURS}
    return _OURS if all(artifact.target in read for artifact in bundle.manifest.artifacts) else registry()


def reader_of(target: str) -> RuntimeEntry:
    """The first row that reads a target's artefacts. Raises: RuntimeUnavailableError."""
    for entry in _OURS if target in (ours.target for ours in _OURS) else registry():
        if entry.target == target:
            return entry
    raise RuntimeUnavailableError(f"no runtime reads {target} artefacts", expected="an installed runtime", got="none")


@dataclass(frozen=True)
class Choice:
    """The choice for a bundle: runtime, device, artefact, the reason, and why earlier alternatives were rejected."""

    entry: RuntimeEntry
    device: str
    artifact: Artifact
    reason: str
    passed_over: tuple[str, ...] = ()


def choose(bundle: Bundle, runtime: str = AUTO, device: str = AUTO, precision: str = AUTO) -> Choice:
    """Chooses the runtime, device and artefact to open, with the reason; "auto" prefers FP32.

    Raises:
        UsageError: the runtime is unknown.
        RuntimeUnavailableError: the bundle or the machine cannot satisfy the request.
        MissingDependencyError: the package is installed but cannot be imported.
    """
    if runtime != AUTO:
        entry = entry_named(runtime)
        if (obstacle := entry.obstacle(bundle, precision)) is not None:
            raise RuntimeUnavailableError(f"the runtime {runtime} cannot serve this bundle", because=obstacle)
        artifact = _read(entry, bundle, precision)
        offered = entry.load().devices()
        if device != AUTO and device not in offered:
            raise RuntimeUnavailableError(
                f"{runtime} has no device {device} here", expected=", ".join(offered), got=device
            )
        # If nothing fits, the first is used: opening it raises the error with its reason.
        found = device if device != AUTO else entry.fitting(artifact, AUTO)[0] or offered[0]
        return Choice(entry, found, artifact, "asked for")

    return _chosen_for_you(bundle, device, precision)


def _chosen_for_you(bundle: Bundle, device: str, precision: str) -> Choice:
    """The first in the registry's order that can serve the bundle; FP32 artefacts come first."""
    passed_over: list[str] = []
    absent: list[str] = []
    entries = [entry for entry in entries_for(bundle) if not entry.reference]
    inexact = [entry for entry in entries if entry.is_inexact(bundle, precision)]
    for entry in [*(e for e in entries if e not in inexact), *inexact]:
        if (obstacle := entry.obstacle(bundle, precision)) is not None:
            could_have = entry.artifact(bundle, precision) is not None and not entry.alternative
            (passed_over if could_have else absent).append(f"{entry.name}: {obstacle}")
            continue
        found, mismatch = entry.fitting(_read(entry, bundle, precision), device)
        if found is None:
            passed_over.append(f"{entry.name}: {mismatch}")
        else:
            if entry not in inexact:
                left = [other.name for other in inexact if entries.index(other) < entries.index(entry)]
                passed_over += [f"{name}: not in FP32, and so only if asked for" for name in left]
            reason = "first in order of speed" + "".join(f"; {why}" for why in passed_over)
            return Choice(entry, found, _read(entry, bundle, precision), reason)
    raise RuntimeUnavailableError("no runtime can serve this bundle here", because="; ".join(passed_over + absent))


def entry_named(name: str) -> RuntimeEntry:
    """The registry's row with that name. Raises: UsageError."""
    for entry in _OURS if name in (ours.name for ours in _OURS) else registry():
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in registry())
    raise UsageError("the runtime is unknown", expected=f"{AUTO}, {known}", got=name)


def _read(entry: RuntimeEntry, bundle: Bundle, precision: str) -> Artifact:
    found = entry.artifact(bundle, precision)
    assert found is not None  # noqa: S101  obstacle() has looked
    return found
