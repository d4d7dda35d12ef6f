"""The Segmenter, for applications: a slice in, a mask out."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import (
    ClosedError,
    HostLimitError,
    InferenceError,
    UsageError,
)
from miniseg_edge.host.limits import host_limits, within_limits
from miniseg_edge.host.processor import usable_cores
from miniseg_edge.runtimes.backends.forks import Home, in_vendor, only_here
from miniseg_edge.runtimes.backends.interface import Runtime
from miniseg_edge.runtimes.backends.registry import Choice
from miniseg_edge.runtimes.segmenter.jobs import Job, Jobs
from miniseg_edge.runtimes.segmenter.pipeline import in_flight, streamed
from miniseg_edge.runtimes.segmenter.preparation import Preparation, PreparedSlice, check_volume, maps_of_size
from miniseg_edge.runtimes.segmenter.segmentation import UNVERIFIED_CODE, Segmentation, VolumeSegmentation
from miniseg_edge.runtimes.segmenter.within import within
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, mask_from_logits
from miniseg_edge.tensors import MASK

_log = logger_of(__name__)

Slice = TypeVar("Slice")

Progress = Callable[[int, int], None]
"""Called after each slice as progress(done, total)."""


class Segmenter:
    """A bundle opened on one runtime.

    Thread-safety: one Segmenter serves many threads; results equal the serial ones. It belongs to the process that
    loaded it: in a forked child, every method raises ForkedError, and `close` does nothing.

    Every method, and every object it returns, raises HostLimitError if the host has no memory or no threads for it; the
    next call is not affected.
    """

    def __init__(
        self,
        bundle: Bundle,
        choice: Choice,
        threads: int | None = None,
        streams: int | None = None,
        deadline_s: float | None = None,
    ) -> None:
        """Opens the chosen artefact; applications call `miniseg_edge.load`."""
        self._home = Home()
        self.bundle = bundle
        self.choice = choice
        self._threads, self._deadline_s = threads, deadline_s
        self._opening = threading.Lock()  # held while the second engine is opened, however long that takes
        self._changing = threading.Lock()  # only held while engines are added or removed
        kind = choice.entry.load()
        streams = streams or kind.streams_for_both
        self._runtime: Runtime | None = self._opened(streams or 1)
        self._volume_runtime = self._runtime if streams is not None else None
        self._volume_streams = streams or kind.streams_for_many(min(usable_cores(), threads or usable_cores()))
        preprocessing, interface = bundle.manifest.preprocessing, bundle.manifest.interface
        self._preparation = Preparation(
            interface=interface,
            size=None if interface.dynamic_size else preprocessing.size,
            window=preprocessing.window,
            masks_alone=self._runtime.output.name == MASK,
        )
        self._jobs = Jobs(lambda prepared: self._segmented(prepared, self._for_volumes()), self._volume_streams)
        self._unverified_code = self._runtime.runs_code and not bundle.trusted
        _log.info("%s", self)
        if self._unverified_code:
            _log.warning("%s: %s", choice.artifact.target, UNVERIFIED_CODE)

    def __repr__(self) -> str:
        """What runs what, in one line."""
        choice = self.choice
        ran = f"{choice.entry.name} {choice.artifact.precision} on {choice.device}"
        return f"<Segmenter of {self.bundle.name}: {ran}>"

    def __str__(self) -> str:
        """The runtime and the reason for its choice, in one line."""
        choice = self.choice
        return f"{choice.entry.name} {choice.artifact.precision} on {choice.device} ({choice.reason})"

    @property
    def runs_unverified_code(self) -> bool:
        """Whether the artefact is native code and the bundle's signature was not checked."""
        return self._unverified_code

    @property
    def runtime(self) -> Runtime:
        """The opened runtime. Raises: ClosedError, ForkedError."""
        self._check_home()
        if self._runtime is None:
            raise _closed()
        return self._runtime

    def segment(self, slice_: ByteArray | FloatArray) -> Segmentation:
        """Segments one grey slice.

        Args:
            slice_: (H, W) uint8, or float32 on the same 0..255 scale; (H, W, C) if the bundle takes C channels. Any
                size: other sizes than the bundle's are resized like the published evaluation, and the logit maps back
                    before the threshold; a bundle of dynamic size takes each slice in its own size.

        Raises:
            InputError: wrong type, dtype, shape or range, NaN or infinity; or another size than the bundle's if the
                graph only returns masks.
            InferenceError, NumericError: the engine failed; the next call is not affected.
            ClosedError: after `close`.
        """
        return self._segmented(self.prepare(slice_), self.runtime)

    def segment_hu(self, slice_hu: npt.NDArray[np.generic], *, assume_hu: bool = False) -> Segmentation:
        """Segments one slice in HU, through the bundle's window.

        Args:
            slice_hu: (H, W), or (H, W, C) as in `segment`; floating, or integers of 16 bits or more, HU; clipped to the
                window.
            assume_hu: accept values that do not look like HU; the result's `warnings` say so.

        Raises:
            HuValuesError: the values are not HU (`miniseg_edge.slices.hu_values`). Doubtful values, as in a crop
                without air, only give a remark in the result's `warnings`.
            UsageError: the bundle has no window.
            InputError, InferenceError, NumericError, ClosedError: as `segment`.
        """
        return self._segmented(self.prepare_hu(slice_hu, assume_hu=assume_hu), self.runtime)

    def segment_many(self, slices: Iterable[ByteArray | FloatArray]) -> Iterator[Segmentation]:
        """Segments slices concurrently; the same results as `segment`, in order, as they arrive.

        The first call opens a second engine, for throughput, unless `load` was given a number of streams.

        Args:
            slices: any number, each as in `segment`; read as they are needed, a few ahead. Each is copied before the
                next one is requested, so a source may reuse one array.

        Raises:
            InputError, InferenceError, NumericError, ClosedError: at the place of the slice that caused it; slices
                before it have been yielded, those after it are abandoned.
        """
        return self._many(self._owned(slices), self.prepare)

    def segment_many_hu(
        self, slices: Iterable[npt.NDArray[np.generic]], *, assume_hu: bool = False
    ) -> Iterator[Segmentation]:
        """The same for slices in HU, each judged alone; see `segment_many` and `segment_hu`. Raises: UsageError too."""
        return self._many(self._owned(slices), lambda slice_hu: self.prepare_hu(slice_hu, assume_hu=assume_hu))

    def stream(self, slices: Iterable[ByteArray | FloatArray]) -> Iterator[Segmentation]:
        """Segments slices while a scanner produces them: equal to `segment`, in order, each as soon as it is ready.

        Unlike `segment_many` it does not wait for the next slice before it yields the last one's result.

        Args:
            slices: any number, each as in `segment`; read in a separate thread, a few ahead of the consumed results, so
                that memory does not depend on their number. Each is copied before the next one is requested, so a
                source may reuse one array.

        Raises:
            InputError, InferenceError, NumericError, ClosedError: as `segment_many`; exceptions of `slices` itself are
                raised after the results of the slices before it.
        """
        return self._many(self._owned(slices), self.prepare, streamed)

    def stream_hu(
        self, slices_hu: Iterable[npt.NDArray[np.generic]], *, assume_hu: bool = False
    ) -> Iterator[Segmentation]:
        """The same for slices in HU, each judged alone; see `stream` and `segment_hu`. Raises: UsageError too."""
        own = self._owned(slices_hu)
        return self._many(own, lambda slice_hu: self.prepare_hu(slice_hu, assume_hu=assume_hu), streamed)

    def segment_read_hu(
        self,
        read: Callable[[int], npt.NDArray[np.generic]],
        indices: Iterable[int],
        *,
        assume_hu: bool = False,
        judged: bool = False,
    ) -> Iterator[Segmentation]:
        """Segments stored slices: `segment_hu(read(index))` for each index, in order, as results arrive.

        Reading alternates with inference on the engine's own threads. A separate reading thread, as in `stream_hu`,
        would take the processor from inference at the wrong times if there are as many streams as cores.

        Args:
            read: returns slice `index` as in `segment_hu`; called from several threads at once, a few indices ahead of
                the consumed results. Each call must return an array that no other call writes to.
            indices: of the slices; any number.
            assume_hu: as `segment_hu`.
            judged: whether the caller judges the values of all slices together (`miniseg_edge.slices.hu_values`), as
                for a study; otherwise each is judged alone.

        Raises:
            UsageError, InputError, InferenceError, NumericError, ClosedError, and what `read` raises: at the place of
            the slice that caused it; slices before it have been yielded, those after it are abandoned.
        """
        return self._many(indices, lambda index: self.prepare_hu(read(index), assume_hu=assume_hu, judged=judged))

    def submit(self, slice_: ByteArray | FloatArray, deadline_s: float | None = None) -> Job:
        """Submits a slice and returns at once; the returned future has the same result as `segment`.

        Args:
            slice_: as in `segment`; checked and copied before this returns.
            deadline_s: seconds from now after which the future fails with DeadlineError.

        Raises:
            InputError: as `segment`; UsageError: an invalid deadline.
            BusyError: `jobs.MAX_JOBS` jobs are waiting or running.
            ClosedError: after `close`.

        The future raises InferenceError, NumericError, DeadlineError; CancelledError after its `cancel`; ClosedError
        if the Segmenter was closed before the slice's turn came.
        """
        with host_limits():
            return self._jobs.submit(self.prepare(slice_), deadline_s)

    def submit_hu(
        self, slice_hu: npt.NDArray[np.generic], deadline_s: float | None = None, *, assume_hu: bool = False
    ) -> Job:
        """The same for a slice in HU; see `submit` and `segment_hu`. Raises: HuValuesError and UsageError too."""
        with host_limits():
            return self._jobs.submit(self.prepare_hu(slice_hu, assume_hu=assume_hu), deadline_s)

    def segment_volume(
        self, volume: npt.NDArray[np.uint8] | npt.NDArray[np.float32], progress: Progress | None = None
    ) -> VolumeSegmentation:
        """Segments a stack of grey slices, each by itself, in the fastest way: equal to `segment` for each slice.

        Args:
            volume: (D, H, W), or (D, H, W, C); dtype and range as in `segment`. It is read until this returns; to
                overwrite it sooner, pass a copy, or slices to `segment_many`.
            progress: called after each slice with the number done and D.

        Raises:
            InputError: not a stack, or as `segment`.
            InferenceError, NumericError, HostLimitError: as `segment`; the error's `partial` has the slices before the
                one that failed, and `volume[len(error.partial.mask):]` remains to be done.
            ClosedError: as `segment`.
        """
        return self._volume(volume, self.prepare, progress)

    def segment_volume_hu(
        self, volume_hu: npt.NDArray[np.generic], progress: Progress | None = None, *, assume_hu: bool = False
    ) -> VolumeSegmentation:
        """Segments a stack of slices in HU, through the bundle's window; see `segment_volume` and `segment_hu`.

        Args:
            volume_hu: (D, H, W), or (D, H, W, C); dtype as in `segment_hu`, HU. Its values are judged together, before
                any slice is segmented; the result's `warnings` say so if it contains no lungs.
            progress: called after each slice with the number done and D.
            assume_hu: as `segment_hu`.

        Raises: as `segment_volume`; HuValuesError, UsageError: as `segment_hu`.
        """
        self._check_home()
        check_volume(volume_hu, self._preparation.interface.channels)
        with host_limits():
            remarks = self._preparation.volume_remarks(volume_hu, assume_hu=assume_hu)
        return self._volume(volume_hu, lambda slice_hu: self.prepare_hu(slice_hu, judged=True), progress, remarks)

    @host_limits()
    def prepare(self, slice_: ByteArray | FloatArray) -> PreparedSlice:
        """The first third of `segment`, for measurements: checks and resizes. Raises: InputError."""
        self._check_home()
        return self._preparation.from_grey(slice_)

    @host_limits()
    def prepare_hu(
        self, slice_hu: npt.NDArray[np.generic], *, assume_hu: bool = False, judged: bool = False
    ) -> PreparedSlice:
        """The first third of `segment_hu`; `judged` as in `segment_read_hu`. Raises: InputError, UsageError."""
        self._check_home()
        return self._preparation.from_hu(slice_hu, assume_hu=assume_hu, judged=judged)

    @host_limits()
    def finish(self, prepared: PreparedSlice, output: FloatArray | ByteArray) -> Segmentation:
        """The last third: the network's output, (1, .., H, W), in the slice's own size, and the mask."""
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
            unverified_code=self._unverified_code,
        )

    def close(self) -> None:
        """Releases the engine without waiting; may be called twice.

        Running slices finish, other and later calls get ClosedError. An engine that hangs stays until the process ends,
        which does not wait for it either.
        """
        if not self._home.is_here:
            return
        self._jobs.close()
        with self._changing:
            engines = [self._runtime, self._volume_runtime]
            self._runtime = self._volume_runtime = None
        with in_vendor():
            while engines:
                if (engine := engines.pop()) is not None:
                    engine.close()
                del engine  # freed here, while still inside the vendor's call count

    def _check_home(self) -> None:
        self._home.check("this Segmenter")

    def _opened(self, streams: int) -> Runtime:
        choice = self.choice

        def opened() -> Runtime:
            with in_vendor():
                return choice.entry.load()(self.bundle, choice.artifact, choice.device, self._threads, streams)

        return within(self._deadline_s, opened, f"opening {choice.entry.name} on {choice.device}")

    def _for_volumes(self) -> Runtime:
        """The engine with many streams, opened when it is first needed.

        Raises: ClosedError, InferenceError, DeadlineError.
        """
        self._check_home()  # before the lock, which a thread of the parent may have held
        with self._opening:
            runtime = self.runtime
            if (found := self._volume_runtime) is not None:
                return found
            found = runtime if self._volume_streams == 1 else self._opened(self._volume_streams)
            with self._changing:
                closed = self._runtime is None
                self._volume_runtime = None if closed else found
            if closed:  # while it was opened
                found.close()
                raise _closed()
            return found

    def _segmented(self, prepared: PreparedSlice, runtime: Runtime) -> Segmentation:
        return self.finish(prepared, runtime.infer(prepared.network_input))

    def _owned(self, slices: Iterable[npt.NDArray[np.generic]]) -> Iterator[Any]:
        """Copies of a source's slices, made in the source's thread, so that it may reuse its buffer."""
        return map(self._preparation.owned, slices)

    def _many(
        self,
        slices: Iterable[Slice],
        prepare: Callable[[Slice], PreparedSlice],
        pipeline: Callable[..., Iterator[Segmentation]] = in_flight,
    ) -> Iterator[Segmentation]:
        runtime = self._for_volumes()
        found = pipeline(lambda slice_: self._segmented(prepare(slice_), runtime), slices, runtime.streams)
        return only_here(within_limits(found))

    def _volume(
        self,
        volume: npt.NDArray[np.generic],
        prepare: Callable[..., PreparedSlice],
        progress: Progress | None,
        remarks: Sequence[str] = (),
    ) -> VolumeSegmentation:
        check_volume(volume, self._preparation.interface.channels)
        mask, warnings, done = np.empty((0, *volume.shape[1:3]), np.uint8), list(remarks), 0
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
            unverified_code=self._unverified_code,
        )

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "a Segmenter cannot be sent to another process", expected="a bundle's path", remedy="Load the bundle there."
        )

    def __enter__(self) -> "Segmenter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _closed() -> ClosedError:
    return ClosedError("the Segmenter is closed", expected="an open one", remedy="Load the bundle again.")
