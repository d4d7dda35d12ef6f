"""Turns requests into masks: as many threads as the engine takes slices, and one that prepares the next."""

import threading
from concurrent.futures import Future

import numpy as np

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import MiniSegError
from miniseg_edge.host.limits import host_limits
from miniseg_edge.runtimes.segmenter.daemon_pool import DaemonPool
from miniseg_edge.runtimes.segmenter.jobs import MAX_JOBS
from miniseg_edge.runtimes.segmenter.pipeline import in_flight
from miniseg_edge.runtimes.segmenter.segmentation import Segmentation
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.serving.http.body import Body
from miniseg_edge.runtimes.serving.http.deadline import Deadline
from miniseg_edge.runtimes.serving.http.seldom import Seldom
from miniseg_edge.runtimes.serving.protocol.answers import Answer, answer_of_error, answer_of_masks
from miniseg_edge.runtimes.serving.protocol.infer_request import InferRequest, request_from_body
from miniseg_edge.runtimes.serving.protocol.model import ServedModel
from miniseg_edge.slices.preprocessing import ByteArray

_log = logger_of(__name__)


class Workers:
    """Reads requests, segments their slices and writes the answers, first come, first served.

    Thread-safety: all methods may be called from many threads at once.
    """

    def __init__(self, segmenter: Segmenter, model: ServedModel, streams: int) -> None:
        """Takes an opened Segmenter, which stays the caller's, and its number of concurrent slices."""
        self._segmenter, self._model, self._streams = segmenter, model, streams
        self._pool = DaemonPool(streams + 1, "miniseg-lane")
        self._seldom = Seldom(_log)
        self._engine = threading.BoundedSemaphore(min(streams + 1, MAX_JOBS))

    def submit(self, body: Body, json_length: int | None, deadline: Deadline) -> Future[tuple[Answer, int]]:
        """Queues a request; the future holds its answer, including errors, and its number of slices.

        It never raises: an exception would keep the body alive through its frames.
        """
        return self._pool.submit(self._answered, body, json_length, deadline)

    def close(self) -> None:
        """Accepts no more requests, without waiting: a slice may hang in the engine until its deadline."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _answered(self, body: Body, json_length: int | None, deadline: Deadline) -> tuple[Answer, int]:
        try:
            with host_limits():
                return self._done(body.take(), json_length, deadline)
        except MiniSegError as error:
            return answer_of_error(error), 0
        except Exception as error:
            self._seldom.warn("a request failed", error=error)
            return answer_of_error(MiniSegError("the service failed", because=type(error).__name__)), 0

    def _done(self, data: memoryview | None, json_length: int | None, deadline: Deadline) -> tuple[Answer, int]:
        deadline.left_s()
        request = request_from_body(b"" if data is None else data, json_length, self._model)
        if request.timeout_s is not None:
            deadline.shorten(request.timeout_s)
        masks, remarks = self._masks(request, deadline)
        return answer_of_masks(masks, remarks, request, self._model), len(masks)

    def _masks(self, request: InferRequest, deadline: Deadline) -> tuple[ByteArray, list[str]]:
        """(N, H, W) uint8, and remarks with the index of their slice.

        A request needs no memory besides its body: each mask is written over its own slice, which the engine has copied
        and which has at least as many bytes. At the end the masks are moved together.
        """
        count, height, width = request.slices.shape[:3]
        written = request.slices.reshape(count, -1).view(np.uint8)

        def segmented(index: int) -> tuple[str, ...]:
            found = self._segmented(request, index, deadline)
            written[index, : found.mask.size] = found.mask.reshape(-1)
            return found.warnings

        found = in_flight(segmented, range(count), min(self._streams, count))
        remarks = [f"slice {index}: {remark}" for index, warnings in enumerate(found) for remark in warnings]
        masks: ByteArray = written.reshape(-1)[: count * height * width].reshape(count, height, width)
        for index, mask in enumerate(masks):
            mask[:] = written[index, : mask.size].reshape(height, width)
        return masks, remarks

    def _segmented(self, request: InferRequest, index: int, deadline: Deadline) -> Segmentation:
        # A request that waited for the engine in vain is late, which `left_s` reports.
        entered = self._engine.acquire(timeout=deadline.left_s())
        try:
            slice_, left_s = request.slices[index], deadline.left_s()
            if request.in_hu:
                return self._segmenter.submit_hu(slice_, left_s, assume_hu=request.assume_hu).result()
            return self._segmenter.submit(slice_, left_s).result()
        finally:
            if entered:
                self._engine.release()
