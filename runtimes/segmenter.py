"""The Segmenter: what applications embed. A slice in, a mask out."""

import logging
import os
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt

from miniseg_edge.bundle import Bundle, open_bundle
from miniseg_edge.errors import ClosedError, InputError, UsageError
from miniseg_edge.preprocessing import (
    ByteArray,
    FloatArray,
    checked_slice,
    mask_from_logits,
    network_input,
    resized,
)
from miniseg_edge.runtimes.interface import Runtime
from miniseg_edge.runtimes.registry import AUTO, Choice, choose

_log = logging.getLogger(__name__)

MAX_THREADS = 1024


@dataclass(frozen=True)
class Segmentation:
    """One slice's result; all arrays belong to the caller.

    Attributes:
        mask: (H, W) uint8, class per pixel: 0 background, 1 lesion.
        logit: (H, W) float32, lesion minus background, of the slice's size; (C - 1, H, W) for C > 2 classes.
        runtime, device, precision: what ran.
        bundle_digest: which bundle, the manifest's SHA-256.
        warnings: remarks about the input, such as a constant slice; empty as a rule.
    """

    mask: ByteArray
    logit: FloatArray
    runtime: str
    device: str
    precision: str
    bundle_digest: str
    warnings: tuple[str, ...] = ()

    @property
    def has_finding(self) -> bool:
        """Whether any pixel is lesion; an empty mask is a valid result: no finding."""
        return bool(self.mask.any())

    @property
    def logit_maps(self) -> FloatArray:
        """The logit maps as (C - 1, H, W), whatever the number of classes."""
        return self.logit if self.logit.ndim == 3 else self.logit[np.newaxis]


class Segmenter:
    """A bundle opened on one runtime.

    Thread-safety: one Segmenter serves many threads; results equal the serial ones.
    """

    def __init__(self, bundle: Bundle, choice: Choice, threads: int | None = None) -> None:
        """Opens the chosen artefact; applications call `miniseg_edge.load`."""
        self.bundle = bundle
        self.choice = choice
        self._runtime: Runtime | None = choice.entry.load()(bundle, choice.artifact, choice.device, threads)
        self._size = bundle.manifest.preprocessing.size
        self._window = bundle.manifest.preprocessing.window
        _log.info("%s", self)

    def __str__(self) -> str:
        """What runs and why, in one line."""
        choice = self.choice
        return f"{choice.entry.name} {choice.artifact.precision} on {choice.device} ({choice.reason})"

    @property
    def runtime(self) -> Runtime:
        """The opened runtime. Raises: ClosedError."""
        if self._runtime is None:
            raise ClosedError("the Segmenter is closed", "an open one", "", "Load the bundle again.")
        return self._runtime

    def segment(self, slice_: ByteArray | FloatArray) -> Segmentation:
        """Segments one grey slice.

        Args:
            slice_: (H, W) uint8, or float32 on the same 0..255 scale; any size. Other sizes than the bundle's
                are resized like the published evaluation, and the logit maps back before the threshold.

        Raises:
            InputError: wrong type, dtype, shape or range, NaN or infinity.
            InferenceError, NumericError: the engine failed; the next call is not affected.
            ClosedError: after `close`.
        """
        runtime = self.runtime
        grey, remarks = checked_slice(slice_)
        maps = runtime.infer(network_input(grey, self._size))[0]
        size = (grey.shape[0], grey.shape[1])
        logits = np.stack([resized(one, size) for one in maps]) if size != self._size else maps
        return Segmentation(
            mask=mask_from_logits(logits),
            logit=logits[0] if len(logits) == 1 else logits,
            runtime=runtime.name,
            device=runtime.device,
            precision=runtime.artifact.precision,
            bundle_digest=self.bundle.manifest.digest,
            warnings=remarks,
        )

    def segment_hu(self, slice_hu: npt.NDArray[np.generic]) -> Segmentation:
        """Segments one slice in HU, through the bundle's window.

        Args:
            slice_hu: (H, W), any integer or floating dtype, HU; clipped to the window.

        Raises:
            UsageError: the bundle has no window.
            InputError, InferenceError, NumericError, ClosedError: as `segment`.
        """
        if self._window is None:
            raise UsageError(
                "this bundle has no HU window", "one from miniseg-export --window LOW HIGH", "none",
                "Export again with --window, or window the slice yourself and call segment().",
            )  # fmt: skip
        if not isinstance(slice_hu, np.ndarray) or slice_hu.dtype.kind not in "iuf":
            got = getattr(slice_hu, "dtype", type(slice_hu).__name__)
            raise InputError("a slice has a wrong dtype", "an integer or floating NumPy array in HU", str(got))
        if not np.isfinite(slice_hu).all():
            raise InputError("a slice is not finite", "finite HU", "NaN or infinity")
        return self.segment(self._window.grey_from_hu(slice_hu))

    def close(self) -> None:
        """Releases the engine; calls under way finish, later ones get ClosedError. May be called twice."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()

    def __enter__(self) -> "Segmenter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(
    bundle: str | os.PathLike[str] | Bundle,
    runtime: str = AUTO,
    device: str = AUTO,
    threads: int | None = None,
) -> Segmenter:
    """Opens a bundle for segmentation.

    Args:
        bundle: a directory, verified before anything in it is parsed, or an opened `Bundle`.
        runtime: "auto", or a name from the registry; `str(segmenter)` says what was chosen and why.
        device: "auto", "cpu", "cuda:0", ...
        threads: of the runtime; None leaves the vendor's default.

    Raises:
        BundleError and its kin: see `open_bundle`.
        UsageError, RuntimeUnavailableError, MissingDependencyError: see `choose`.
        InferenceError: the vendor cannot open the artefact.
    """
    if threads is not None and (type(threads) is not int or not 1 <= threads <= MAX_THREADS):
        raise UsageError("threads has a wrong value", f"None or 1..{MAX_THREADS}", repr(threads))
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    return Segmenter(opened, choose(opened, runtime, device), threads)
