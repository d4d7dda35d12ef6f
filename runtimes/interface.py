"""What a runtime is: one artefact of a bundle, opened on one device, from slices to logit maps or masks."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from miniseg_edge.bundle import Bundle
from miniseg_edge.errors import ClosedError, InferenceError, InputError, MiniSegError, NumericError
from miniseg_edge.limits import limit_behind
from miniseg_edge.manifest import Artifact
from miniseg_edge.preprocessing import ByteArray, FloatArray
from miniseg_edge.tensors import NOT_FINITE, TensorSpec


class Runtime(ABC):
    """Base of all runtimes. State and arrays are checked here, once; vendors implement the underscored methods.

    Thread-safety: `infer` may be called from many threads at once; `close` waits for nobody, and a call that is
    under way finishes with its result.
    """

    name: ClassVar[str]

    def __init__(
        self, bundle: Bundle, artifact: Artifact, device: str, threads: int | None = None, streams: int = 1
    ) -> None:
        """Opens the artefact.

        Args:
            bundle, artifact: what to open.
            device: one of `devices()`.
            threads: worker threads, all streams together; None leaves the vendor's default.
            streams: slices that will be in flight at once, for throughput; 1 is best for latency.

        Raises:
            InferenceError: the vendor cannot read the artefact.
            HostLimitError: no memory, no threads.
        """
        self.artifact = artifact
        self.device = device
        self.threads = threads
        self.streams = streams
        self.input = bundle.manifest.input
        self.output = self._output_of(bundle)
        self._closed = False
        files = [bundle.contents[name] for name in artifact.files]
        try:
            self._open(bundle, files)
        except MiniSegError:
            raise
        except Exception as error:  # vendors raise kinds of their own
            raise limit_behind(error) or InferenceError(
                f"{self.name} cannot open the {artifact.target} artefact on {device}",
                "a model that it reads",
                _short(error),
            ) from error

    @classmethod
    @abstractmethod
    def devices(cls) -> tuple[str, ...]:
        """Devices that this machine offers to this runtime, the default first: `cpu`, `cuda:0`, ...

        Raises:
            RuntimeUnavailableError: none, with the reason.
            MissingDependencyError: a package that it also needs is not installed.
        """

    @classmethod
    def mismatch(cls, artifact: Artifact) -> str | None:
        """Why this machine cannot run an artefact, as far as the artefact's record says; None as a rule."""
        return None

    @property
    @abstractmethod
    def version(self) -> str:
        """The vendor's version."""

    def infer(self, values: FloatArray) -> FloatArray | ByteArray:
        """Runs the network once.

        Args:
            values: as `input` says: (N, C, H, W) float32, grey 0..255 or HU, C-contiguous.

        Returns:
            As `output` says: logit maps (N, C - 1, H, W) float32, finite, or masks (N, 1, H, W) uint8; owned by the
            caller.

        Raises:
            InputError: wrong shape or dtype.
            ClosedError: after `close`.
            InferenceError: the vendor's engine failed.
            HostLimitError: no memory, no threads; the next call may succeed.
            NumericError: the output is not finite; it was discarded.
        """
        if self._closed:
            raise ClosedError(f"the {self.name} runtime is closed", "an open runtime", "", "Load the bundle again.")
        if not self.input.admits(values.shape) or values.dtype != np.float32:
            raise InputError("the network's input is wrong", str(self.input), f"{values.shape} {values.dtype}")
        try:
            found = self._infer(np.ascontiguousarray(values))
        except MiniSegError:
            raise
        except Exception as error:
            failed = InferenceError(f"{self.name} failed on {self.device}", "an inference", _short(error))
            raise limit_behind(error) or failed from error
        wanted = (len(values), self.output.shape[1], *values.shape[2:])
        if found.shape != wanted or found.dtype != self.output.dtype:
            raise InferenceError(
                f"{self.name} gave a wrong output", f"{wanted} {self.output.dtype}", f"{found.shape} {found.dtype}"
            )
        if not _finite(found):
            raise NumericError(
                f"{self.name} gave a non-finite output",
                "finite logits",
                "NaN or infinity",
                "The mask was discarded.",
            )
        return found

    def close(self) -> None:
        """Releases the vendor's engine as soon as no call uses it; may be called twice."""
        self._closed = True

    @abstractmethod
    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        """Reads the artefact from verified bytes, in the order of its manifest entry."""

    @abstractmethod
    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        """The same as `infer`, unchecked; returns a fresh array."""

    def _output_of(self, bundle: Bundle) -> TensorSpec:
        """What this runtime answers; the artefact's own output as a rule."""
        return bundle.manifest.output


def _finite(found: FloatArray | ByteArray) -> bool:
    if found.dtype == np.uint8:
        return bool(found.max() != NOT_FINITE)
    return bool(np.isfinite(found.min()) and np.isfinite(found.max()))  # NaN comes through both; no temporary array


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
