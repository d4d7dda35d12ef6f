"""The Segmenter: what applications embed. A slice in, a mask out."""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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


@dataclass(frozen=True)
class PreparedSlice:
    """A slice on its way in: the network's input (1, 1, H, W), the slice's own size, and remarks about it."""

    network_input: FloatArray
    size: tuple[int, int]
    warnings: tuple[str, ...]


class Segmenter:
    """A bundle opened on one runtime.

    Thread-safety: one Segmenter serves many threads; results equal the serial ones.
    """

    def __init__(self, bundle: Bundle, choice: Choice, threads: int | None = None, streams: int = 1) -> None:
        """Opens the chosen artefact; applications call `miniseg_edge.load`."""
        self.bundle = bundle
        self.choice = choice
        self.streams = streams
        self._runtime: Runtime | None = choice.entry.load()(bundle, choice.artifact, choice.device, threads, streams)
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
        prepared = self.prepare(slice_)
        return self.finish(prepared, self.runtime.infer(prepared.network_input))

    def prepare(self, slice_: ByteArray | FloatArray) -> PreparedSlice:
        """The first third of `segment`, for those who measure it: checks and resizes. Raises: InputError."""
        grey, remarks = checked_slice(slice_)
        return PreparedSlice(network_input(grey, self._size), (grey.shape[0], grey.shape[1]), remarks)

    def finish(self, prepared: PreparedSlice, logits: FloatArray) -> Segmentation:
        """The last third: logit maps (1, C - 1, H, W) of the network's size back to the slice's, and the mask."""
        maps = logits[0]
        if prepared.size != self._size:
            maps = np.stack([resized(one, prepared.size) for one in maps])
        return Segmentation(
            mask=mask_from_logits(maps),
            logit=maps[0] if len(maps) == 1 else maps,
            runtime=self.choice.entry.name,
            device=self.choice.device,
            precision=self.choice.artifact.precision,
            bundle_digest=self.bundle.manifest.digest,
            warnings=prepared.warnings,
        )

    def segment_many(self, slices: Iterable[ByteArray | FloatArray]) -> Iterator[Segmentation]:
        """Segments slices with `streams` of them in flight; the same results as `segment`, in order, as they come.

        Args:
            slices: any number, each as `segment` takes it; read as they are needed, a few ahead.

        Raises:
            InputError, InferenceError, NumericError, ClosedError: in the place of the slice that caused it; slices
                before it have been yielded, those after it are given up.
        """
        if self.streams == 1:
            yield from map(self.segment, slices)
            return
        with ThreadPoolExecutor(self.streams, thread_name_prefix="miniseg") as pool:
            waiting: deque[Future[Segmentation]] = deque()
            try:
                for slice_ in slices:
                    waiting.append(pool.submit(self.segment, slice_))
                    if len(waiting) > 2 * self.streams:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

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
    *,
    streams: int = 1,
    precision: str = AUTO,
) -> Segmenter:
    """Opens a bundle for segmentation.

    Args:
        bundle: a directory, verified before anything in it is parsed, or an opened `Bundle`.
        runtime: "auto", or a name from the registry; `str(segmenter)` says what was chosen and why.
        device: "auto", "cpu", "cuda:0", ...
        threads: of the runtime; None leaves the vendor's default.
        streams: slices that `segment_many` keeps in flight; the number of cores is fastest for a whole volume, 1 for
            a single slice.
        precision: "auto" takes FP32 where the bundle has it; "bf16", ... is taken or refused.

    Raises:
        BundleError and its kin: see `open_bundle`.
        UsageError, RuntimeUnavailableError, MissingDependencyError: see `choose`.
        InferenceError: the vendor cannot open the artefact.
    """
    for name, value in (("threads", threads), ("streams", streams)):
        if value is not None and (type(value) is not int or not 1 <= value <= MAX_THREADS):
            raise UsageError(f"{name} has a wrong value", f"1..{MAX_THREADS}", repr(value))
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    return Segmenter(opened, choose(opened, runtime, device, precision), threads, streams)
