"""The Segmenter: what applications embed. A slice in, a mask out."""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from miniseg_edge.bundle import Bundle, open_bundle
from miniseg_edge.errors import (
    ClosedError,
    HostLimitError,
    IncompatibleError,
    InferenceError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
)
from miniseg_edge.host import usable_cores
from miniseg_edge.limits import host_limits, within_limits
from miniseg_edge.preprocessing import ByteArray, FloatArray, mask_from_logits
from miniseg_edge.runtimes.interface import Runtime
from miniseg_edge.runtimes.jobs import Job, Jobs
from miniseg_edge.runtimes.pipeline import in_flight, streamed
from miniseg_edge.runtimes.preparation import Preparation, PreparedSlice, check_volume, maps_of_size
from miniseg_edge.runtimes.registry import AUTO, Choice, choose, entry_named
from miniseg_edge.runtimes.segmentation import Segmentation, VolumeSegmentation
from miniseg_edge.tensors import MASK

_log = logging.getLogger(__name__)

MAX_THREADS = 1024

Slice = TypeVar("Slice")

Progress = Callable[[int, int], None]
"""Told after each slice: how many are done, and of how many."""


class Segmenter:
    """A bundle opened on one runtime.

    Thread-safety: one Segmenter serves many threads; results equal the serial ones.

    Every method, and what it returns, raises HostLimitError where the host has no memory or no threads for it; the next
    call is not affected.
    """

    def __init__(self, bundle: Bundle, choice: Choice, threads: int | None = None, streams: int | None = None) -> None:
        """Opens the chosen artefact; applications call `miniseg_edge.load`."""
        self.bundle = bundle
        self.choice = choice
        self._threads = threads
        self._opening = threading.Lock()
        self._runtime: Runtime | None = self._opened(streams or 1)
        self._volume_runtime = self._runtime if streams is not None else None
        self._volume_streams = streams or min(usable_cores(), threads or usable_cores())
        preprocessing, interface = bundle.manifest.preprocessing, bundle.manifest.interface
        self._preparation = Preparation(
            interface=interface,
            size=None if interface.dynamic_size else preprocessing.size,
            window=preprocessing.window,
            masks_alone=self._runtime.output.name == MASK,
        )
        self._jobs = Jobs(lambda prepared: self._segmented(prepared, self._for_volumes()), self._volume_streams)
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
            slice_: (H, W) uint8, or float32 on the same 0..255 scale; (H, W, C) if the bundle wants C channels. Any
                size: others than the bundle's are resized like the published evaluation, and the logit maps back
                before the threshold; a bundle of dynamic size takes each slice in its own.

        Raises:
            InputError: wrong type, dtype, shape or range, NaN or infinity; another size than the bundle's where the
                graph gives masks alone.
            InferenceError, NumericError: the engine failed; the next call is not affected.
            ClosedError: after `close`.
        """
        return self._segmented(self.prepare(slice_), self.runtime)

    def segment_hu(self, slice_hu: npt.NDArray[np.generic]) -> Segmentation:
        """Segments one slice in HU, through the bundle's window.

        Args:
            slice_hu: (H, W), or (H, W, C) as `segment` takes it; any integer or floating dtype, HU; clipped to the
                window.

        Raises:
            UsageError: the bundle has no window.
            InputError, InferenceError, NumericError, ClosedError: as `segment`.
        """
        return self._segmented(self.prepare_hu(slice_hu), self.runtime)

    def segment_many(self, slices: Iterable[ByteArray | FloatArray]) -> Iterator[Segmentation]:
        """Segments slices with several in flight; the same results as `segment`, in order, as they come.

        The first call opens a second engine, for throughput, unless `load` was told a number of streams.

        Args:
            slices: any number, each as `segment` takes it; read as they are needed, a few ahead.

        Raises:
            InputError, InferenceError, NumericError, ClosedError: in the place of the slice that caused it; slices
                before it have been yielded, those after it are given up.
        """
        return self._many(slices, self.prepare)

    def segment_many_hu(self, slices: Iterable[npt.NDArray[np.generic]]) -> Iterator[Segmentation]:
        """The same for slices in HU; see `segment_many` and `segment_hu`. Raises: UsageError too."""
        return self._many(slices, self.prepare_hu)

    def stream(self, slices: Iterable[ByteArray | FloatArray]) -> Iterator[Segmentation]:
        """Segments slices while a scanner produces them: equal to `segment`, in order, each as soon as it is there.

        Unlike `segment_many` it does not wait for the next slice before it gives the last one's result.

        Args:
            slices: any number, each as `segment` takes it; read in a thread of its own, a few ahead of the results that
                were taken, so that memory does not depend on their number.

        Raises:
            InputError, InferenceError, NumericError, ClosedError: as `segment_many`; what `slices` itself raises comes
                after the results of the slices before it.
        """
        return self._many(slices, self.prepare, streamed)

    def stream_hu(self, slices_hu: Iterable[npt.NDArray[np.generic]]) -> Iterator[Segmentation]:
        """The same for slices in HU; see `stream` and `segment_hu`. Raises: UsageError too."""
        return self._many(slices_hu, self.prepare_hu, streamed)

    def segment_read_hu(
        self, read: Callable[[int], npt.NDArray[np.generic]], indices: Iterable[int]
    ) -> Iterator[Segmentation]:
        """Segments slices that lie somewhere: `segment_hu(read(index))` for each index, in order, as they come.

        Reading takes turns with inference on the engine's own threads. A thread that reads beside them, as in
        `stream_hu`, takes the processor from inference at the wrong times where there are as many streams as cores.

        Args:
            read: gives slice `index` as `segment_hu` takes it; called from several threads at once, a few indices ahead
                of the results that were taken.
            indices: of the slices; any number.

        Raises:
            UsageError, InputError, InferenceError, NumericError, ClosedError, and what `read` raises: in the place of
                the slice that caused it; slices before it have been yielded, those after it are given up.
        """
        return self._many(indices, lambda index: self.prepare_hu(read(index)))

    def submit(self, slice_: ByteArray | FloatArray, deadline_s: float | None = None) -> Job:
        """Hands a slice over and returns at once; the future that comes back holds the same result as `segment` gives.

        Args:
            slice_: as `segment` takes it; checked and copied before this returns.
            deadline_s: seconds from now after which the future fails with DeadlineError.

        Raises:
            InputError: as `segment`; UsageError: a deadline that makes no sense.
            BusyError: `jobs.MAX_JOBS` are waiting or being worked on.
            ClosedError: after `close`.

        The future raises InferenceError, NumericError, DeadlineError; CancelledError after its `cancel`; ClosedError
        if the Segmenter was closed before the slice's turn came.
        """
        with host_limits():
            return self._jobs.submit(self.prepare(slice_), deadline_s)

    def submit_hu(self, slice_hu: npt.NDArray[np.generic], deadline_s: float | None = None) -> Job:
        """The same for a slice in HU; see `submit` and `segment_hu`. Raises: UsageError without a window too."""
        with host_limits():
            return self._jobs.submit(self.prepare_hu(slice_hu), deadline_s)

    def segment_volume(
        self, volume: npt.NDArray[np.uint8] | npt.NDArray[np.float32], progress: Progress | None = None
    ) -> VolumeSegmentation:
        """Segments a stack of grey slices, each for itself, the fastest way: equal to `segment` for each slice.

        Args:
            volume: (D, H, W), or (D, H, W, C); dtype and range as `segment` takes them.
            progress: called after each slice with the number done and D.

        Raises:
            InputError: not a stack, or as `segment`.
            InferenceError, NumericError, HostLimitError: as `segment`; the error's `partial` has the slices before the
                one that failed, and `volume[len(error.partial.mask):]` is what is left to do.
            ClosedError: as `segment`.
        """
        return self._volume(volume, self.prepare, progress)

    def segment_volume_hu(
        self, volume_hu: npt.NDArray[np.generic], progress: Progress | None = None
    ) -> VolumeSegmentation:
        """Segments a stack of slices in HU, through the bundle's window; see `segment_volume` and `segment_hu`.

        Args:
            volume_hu: (D, H, W), or (D, H, W, C); any integer or floating dtype, HU.
            progress: called after each slice with the number done and D.
        """
        return self._volume(volume_hu, self.prepare_hu, progress)

    @host_limits()
    def prepare(self, slice_: ByteArray | FloatArray) -> PreparedSlice:
        """The first third of `segment`, for those who measure it: checks and resizes. Raises: InputError."""
        return self._preparation.from_grey(slice_)

    @host_limits()
    def prepare_hu(self, slice_hu: npt.NDArray[np.generic]) -> PreparedSlice:
        """The first third of `segment_hu`. Raises: InputError, UsageError."""
        return self._preparation.from_hu(slice_hu)

    @host_limits()
    def finish(self, prepared: PreparedSlice, output: FloatArray | ByteArray) -> Segmentation:
        """The last third: what the network gave, (1, .., H, W), in the slice's own size, and the mask."""
        maps = None if output.dtype == np.uint8 else maps_of_size(np.asarray(output[0], np.float32), prepared.size)
        return Segmentation(
            mask=np.asarray(output[0, 0], np.uint8) if maps is None else mask_from_logits(maps),
            maps=maps,
            runtime=self.choice.entry.name,
            device=self.choice.device,
            precision=self.choice.artifact.precision,
            bundle_digest=self.bundle.manifest.digest,
            warnings=prepared.warnings,
            passed_over=self.choice.passed_over,
        )

    def close(self) -> None:
        """Releases the engine; slices under way finish, others and later calls get ClosedError. May be called twice."""
        self._jobs.close()
        with self._opening:
            engines = {self._runtime, self._volume_runtime} - {None}
            self._runtime = self._volume_runtime = None
        for engine in engines:
            if engine is not None:
                engine.close()

    def _opened(self, streams: int) -> Runtime:
        choice = self.choice
        return choice.entry.load()(self.bundle, choice.artifact, choice.device, self._threads, streams)

    def _for_volumes(self) -> Runtime:
        """The engine with many streams, opened when it is first needed. Raises: ClosedError, InferenceError."""
        with self._opening:
            runtime = self.runtime
            if self._volume_runtime is None:
                self._volume_runtime = runtime if self._volume_streams == 1 else self._opened(self._volume_streams)
            return self._volume_runtime

    def _segmented(self, prepared: PreparedSlice, runtime: Runtime) -> Segmentation:
        return self.finish(prepared, runtime.infer(prepared.network_input))

    def _many(
        self,
        slices: Iterable[Slice],
        prepare: Callable[[Slice], PreparedSlice],
        pipeline: Callable[..., Iterator[Segmentation]] = in_flight,
    ) -> Iterator[Segmentation]:
        runtime = self._for_volumes()
        found = pipeline(lambda slice_: self._segmented(prepare(slice_), runtime), slices, runtime.streams)
        return within_limits(found)

    def _volume(
        self, volume: npt.NDArray[np.generic], prepare: Callable[..., PreparedSlice], progress: Progress | None
    ) -> VolumeSegmentation:
        check_volume(volume, self._preparation.interface.channels)
        mask, warnings, done = np.empty((0, *volume.shape[1:3]), np.uint8), list[str](), 0
        try:
            with host_limits():
                mask = np.empty(volume.shape[:3], np.uint8)
            for index, result in enumerate(self._many(volume, prepare)):
                mask[index] = result.mask
                warnings += [f"slice {index}: {remark}" for remark in result.warnings]
                done = index + 1
                if progress is not None:
                    progress(done, len(volume))
        except (InferenceError, HostLimitError) as error:
            error.partial = self._volume_result(mask[:done], warnings)
            raise
        return self._volume_result(mask, warnings)

    def _volume_result(self, mask: ByteArray, warnings: list[str]) -> VolumeSegmentation:
        return VolumeSegmentation(
            mask=mask,
            runtime=self.choice.entry.name,
            device=self.choice.device,
            precision=self.choice.artifact.precision,
            bundle_digest=self.bundle.manifest.digest,
            warnings=tuple(warnings),
            passed_over=self.choice.passed_over,
        )

    def __enter__(self) -> "Segmenter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@host_limits()
def load(
    bundle: str | os.PathLike[str] | Bundle,
    runtime: str | Sequence[str] = AUTO,
    device: str = AUTO,
    threads: int | None = None,
    *,
    streams: int | None = None,
    precision: str = AUTO,
    trust: str | os.PathLike[str] | None = None,
) -> Segmenter:
    """Opens a bundle for segmentation.

    Args:
        bundle: a directory, verified before anything in it is parsed, or an opened `Bundle`.
        runtime: "auto", or a name from the registry; `str(segmenter)` says what was chosen and why. Several names are a
            declared fallback: the first that opens is taken, and each result's `passed_over` says why not those before.
        device: "auto", "cpu", "cuda:0", ...
        threads: of the runtime; None leaves the vendor's default.
        streams: slices in flight at once. None is fastest for both: one for `segment`, and a second engine with as
            many as the host's cores for many slices, opened when it is first needed. A number is one engine for both;
            1 is smallest.
        precision: "auto" takes FP32 where the bundle has it; "bf16", ... is taken or refused.
        trust: path of a public key, whose owner must have signed the bundle; see `open_bundle`.

    Raises:
        BundleError and its kin: see `open_bundle`.
        UsageError, RuntimeUnavailableError, MissingDependencyError: see `choose`.
        InferenceError: the vendor cannot open the artefact; HostLimitError: no memory or no threads for it.
    """
    for name, value in (("threads", threads), ("streams", streams)):
        if value is not None and (type(value) is not int or not 1 <= value <= MAX_THREADS):
            raise UsageError(f"{name} has a wrong value", f"1..{MAX_THREADS}", repr(value))
    if isinstance(bundle, Bundle) and trust is not None:
        raise UsageError("an opened bundle has no signature", "trust= where it is opened", "trust= with a Bundle")
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle, trust=trust)
    if isinstance(runtime, str):
        return Segmenter(opened, choose(opened, runtime, device, precision), threads, streams)
    for name in runtime:
        entry_named(name)
    passed_over: list[str] = []
    for name in runtime:
        try:
            choice = replace(choose(opened, name, device, precision), passed_over=tuple(passed_over))
            return Segmenter(opened, choice, threads, streams)
        except (
            RuntimeUnavailableError,
            MissingDependencyError,
            IncompatibleError,
            InferenceError,
            HostLimitError,
        ) as error:
            _log.warning("%s is passed over: %s", name, error)
            passed_over.append(f"{name}: {error}")
    raise RuntimeUnavailableError(
        "no runtime that was declared can serve this bundle", ", ".join(runtime) or "names", "; ".join(passed_over)
    )
