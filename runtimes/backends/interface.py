"""The interface of a runtime: one artefact of a bundle, opened on one device, from slices to logit maps or masks."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from miniseg_edge.admission.models import admission_of
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact, PrecisionShare
from miniseg_edge.errors import BundleError, ClosedError, InferenceError, InputError, MiniSegError, NumericError
from miniseg_edge.host.limits import limit_behind
from miniseg_edge.runtimes.backends.capabilities import DenseChain, OperatorTime, VendorProgram
from miniseg_edge.runtimes.backends.ending import before_the_end
from miniseg_edge.runtimes.backends.forks import Home, claim, in_vendor, keep_for_ever
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray
from miniseg_edge.tensors import NOT_FINITE, TensorSpec


class Runtime(ABC):
    """Base class of all runtimes. It checks state and arrays in one place; vendors implement the underscored methods.

    Thread-safety: `infer` may be called from many threads at once; `close` does not wait, and a running call finishes
    with its result. A runtime belongs to the process that opened it; a fork's copy is refused and never freed.
    """

    name: ClassVar[str]
    bound_library: ClassVar[str | None] = None
    """A library of this runtime that only works on one side of a fork; most can be loaded again in the child."""
    reads_models: ClassVar[bool] = False
    """Whether its artefacts are ONNX or IR for a vendor's parser. Such models are admitted first (docs/bundle.md)."""
    runs_code: ClassVar[bool] = False
    """Whether its artefacts are native code, so that opening one executes what its maker wrote."""
    streams_for_both: ClassVar[int | None] = None
    """Number of streams with which one object is fastest for single slices and for many; None if each needs its own."""

    dense_precisions: ClassVar[tuple[str, ...]] = ()
    """Precisions in which `dense` compiles."""

    def __init__(
        self, bundle: Bundle, artifact: Artifact, device: str, threads: int | None = None, streams: int = 1
    ) -> None:
        """Opens the artefact.

        Args:
            bundle, artifact: what to open.
            device: one of `devices()`.
            threads: worker threads of all streams together; None uses the vendor's default.
            streams: number of concurrent slices, for throughput; 1 is best for latency.

        Raises:
            IncompatibleError, UnsafeModelError: the artefact is not admitted; see `admission_of`.
            BundleError: the manifest is wrong about whether the artefact is native code.
            InferenceError: the vendor cannot read the artefact.
            ForkedError: the vendor was used before this process was forked, and does not support that.
            HostLimitError: no memory or no threads.
        """
        self._home = Home()
        if self.bound_library is not None:
            claim(self.bound_library)
        self.artifact = artifact
        self.device = device
        self.threads = threads
        self.streams = streams
        self.input = bundle.manifest.input
        self.output = self._output_of(bundle)
        self._closed = False
        _check_code(artifact, self.runs_code)
        self._admission = admission_of(bundle, artifact) if self.reads_models else None
        files = [bundle.contents[name] for name in artifact.files]
        try:
            self._open(bundle, files)
        except MiniSegError:
            raise
        except Exception as error:  # vendors raise other exceptions
            raise limit_behind(error) or InferenceError(
                f"{self.name} cannot open the {artifact.target} artefact on {device}",
                expected="a model that it reads",
                because=_short(error),
            ) from error

    @classmethod
    @abstractmethod
    def devices(cls) -> tuple[str, ...]:
        """This runtime's devices on this machine, the default first: `cpu`, `cuda:0`, ...

        Raises:
            RuntimeUnavailableError: there is none; with the reason.
            MissingDependencyError: another package that it needs is not installed.
        """

    @classmethod
    def mismatch(cls, artifact: Artifact, device: str) -> str | None:
        """Why a device of this machine cannot run an artefact, as far as known before opening it; or None."""
        return None

    @classmethod
    def streams_for_many(cls, threads: int) -> int:
        """Number of streams with the highest throughput for this many threads: with most vendors one each."""
        return threads

    @property
    @abstractmethod
    def version(self) -> str:
        """The vendor's version."""

    @classmethod
    def operator_times(cls, bundle: Bundle, artifact: Artifact, values: FloatArray) -> Sequence[OperatorTime] | None:
        """Optional: compiles an artefact for the CPU and uses the vendor's profiler to time each operator.

        Args:
            bundle, artifact: what to profile.
            values: the network's input, as in `infer`.
        """
        return None

    @classmethod
    def precision_shares(
        cls, files: Sequence[bytes], precision: str, values: FloatArray
    ) -> tuple[PrecisionShare, ...] | None:
        """Optional: compiles an artefact for this CPU as `_open` does, and reports which part runs in which precision.

        Args:
            files: of the artefact, in the order of its manifest entry.
            precision: of the artefact.
            values: the network's input, as in `infer`.

        Raises:
            InferenceError: the device does not report it.
        """
        return None

    @classmethod
    def dense(cls, chain: DenseChain, precision: str, threads: int | None) -> Callable[[FloatArray], object] | None:
        """Optional: compiles convolutions for the CPU, whose speed is the upper limit for an artefact.

        Args:
            chain: the convolutions.
            precision: one of `dense_precisions`.
            threads: as for opening.

        Returns:
            A function that runs them once, on an array of the chain's shape.
        """
        return None

    @classmethod
    def vendor_program(
        cls, files: Sequence[Path], precision: str, threads: int | None, seconds: float
    ) -> VendorProgram | None:
        """Optional: the vendor's own program that measures an artefact in single-stream mode.

        Args:
            files: of the artefact.
            precision: of the artefact.
            threads: as for opening.
            seconds: duration of the measurement.
        """
        return None

    def infer(self, values: FloatArray) -> FloatArray | ByteArray:
        """Runs the network once.

        Args:
            values: as in `input`: (N, C, H, W) float32, grey 0..255 or HU, C-contiguous.

        Returns:
            As in `output`: logit maps (N, C - 1, H, W) float32, finite, or masks (N, 1, H, W) uint8; owned by the
            caller.

        Raises:
            InputError: wrong shape or dtype.
            ForkedError: in a forked child.
            ClosedError: after `close`.
            UnsafeModelError: the network's cost on this shape is unknown or too high.
            InferenceError: the vendor's engine failed.
            HostLimitError: no memory or no threads; the next call may succeed.
            CancelledError: the caller abandoned the call, and this runtime can interrupt it (`giving_up`).
            NumericError: the output is not finite; it was discarded.
        """
        self._home.check(f"the {self.name} runtime")
        if self._closed:
            raise ClosedError(
                f"the {self.name} runtime is closed", expected="an open runtime", remedy="Load the bundle again."
            )
        if not self.input.admits(values.shape) or values.dtype != np.float32:
            raise InputError(
                "the network's input is wrong", expected=str(self.input), got=f"{values.shape} {values.dtype}"
            )
        if self._admission is not None:
            self._admission.admit(values.shape)
        try:
            with in_vendor():
                found = self._infer(np.ascontiguousarray(values))
        except MiniSegError:
            raise
        except Exception as error:
            failed = InferenceError(f"{self.name} failed on {self.device}", because=_short(error))
            raise limit_behind(error) or failed from error
        wanted = (len(values), self.output.shape[1], *values.shape[2:])
        if found.shape != wanted or found.dtype != self.output.dtype:
            raise InferenceError(
                f"{self.name} returned a wrong output",
                expected=f"{wanted} {self.output.dtype}",
                got=f"{found.shape} {found.dtype}",
            )
        if not _finite(found):
            raise NumericError(
                f"{self.name} returned a non-finite output",
                expected="finite logits",
                got="NaN or infinity",
                remedy="The mask was discarded.",
            )
        return found

    def close(self) -> None:
        """Releases the vendor's engine as soon as no call uses it; may be called twice."""
        self._closed = True

    def __del__(
        self,
        process: Callable[[], int] = os.getpid,
        keep: Callable[[object], object] = keep_for_ever,
        free: Callable[[Callable[[], None]], bool] = before_the_end,
    ) -> None:
        """Frees the vendor's objects, in the thread that held them last; never a fork's copies.

        It binds its functions early, because modules may be unloaded when the interpreter exits.
        """
        if process() != self._home.process or not free(vars(self).clear):
            keep(self)

    @abstractmethod
    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        """Reads the artefact from verified bytes, in the order of its manifest entry."""

    @abstractmethod
    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        """The same as `infer`, unchecked; returns a new array. Optional: `giving_up.interruptible`."""

    def _output_of(self, bundle: Bundle) -> TensorSpec:
        """What this runtime returns; by default the artefact's own output."""
        return bundle.manifest.output


def _check_code(artifact: Artifact, runs_code: bool) -> None:
    found = artifact.compiled is not None and artifact.compiled.is_code
    if found != runs_code:
        raise BundleError(
            f"the manifest misdescribes the {artifact.target} artefact",
            expected=f"is_code {runs_code}",
            got=f"is_code {found}",
            remedy="Export it again with miniseg-export.",
        )


def _finite(found: FloatArray | ByteArray) -> bool:
    if found.dtype == np.uint8:
        return bool(found.max() != NOT_FINITE)
    # NaN propagates through both; no temporary array
    return bool(np.isfinite(found.min()) and np.isfinite(found.max()))


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
