"""Where requests become masks: as many threads as the engine takes slices, and one that prepares the next."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from miniseg_edge.limits import host_limits
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.runtimes.jobs import MAX_JOBS
from miniseg_edge.runtimes.pipeline import in_flight
from miniseg_edge.runtimes.segmentation import Segmentation
from miniseg_edge.runtimes.segmenter import Segmenter
from miniseg_edge.runtimes.serving.answers import Answer, answer_of_masks
from miniseg_edge.runtimes.serving.deadline import Deadline
from miniseg_edge.runtimes.serving.infer_request import InferRequest, request_from_body
from miniseg_edge.runtimes.serving.model import ServedModel
from miniseg_edge.runtimes.serving.tensors import Array


class Lanes:
    """Reads requests, segments their slices and writes the answers, first come, first served.

    Thread-safety: all methods may be called from many threads at once.
    """

    def __init__(self, segmenter: Segmenter, model: ServedModel, streams: int) -> None:
        """Takes an opened Segmenter, which stays the caller's, and how many slices it works on at once."""
        self._segmenter, self._model, self._streams = segmenter, model, streams
        self._pool = ThreadPoolExecutor(streams + 1, thread_name_prefix="miniseg-lane")
        self._engine = threading.BoundedSemaphore(min(streams + 1, MAX_JOBS))

    def submit(
        self, body: bytes | bytearray, json_length: int | None, deadline: Deadline
    ) -> Future[tuple[Answer, int]]:
        """Queues a request; the future holds its answer and its number of slices, or raises what went wrong."""
        return self._pool.submit(self._answered, body, json_length, deadline)

    def close(self) -> None:
        """Waits for the requests that were begun."""
        self._pool.shutdown(cancel_futures=True)

    def _answered(self, body: bytes | bytearray, json_length: int | None, deadline: Deadline) -> tuple[Answer, int]:
        with host_limits():
            deadline.left_s()
            request = request_from_body(body, json_length, self._model)
            if request.timeout_s is not None:
                deadline.shorten(request.timeout_s)
            masks, remarks = self._masks(request, deadline)
            return answer_of_masks(masks, remarks, request, self._model), len(masks)

    def _masks(self, request: InferRequest, deadline: Deadline) -> tuple[ByteArray, list[str]]:
        """(N, H, W) uint8, and remarks with the index of their slice."""
        masks = np.empty(request.slices.shape[:3], np.uint8)
        remarks = []
        for index, found in enumerate(self._segmented(request, deadline)):
            masks[index] = found.mask
            remarks += [f"slice {index}: {remark}" for remark in found.warnings]
        return masks, remarks

    def _segmented(self, request: InferRequest, deadline: Deadline) -> Iterator[Segmentation]:
        submit = self._segmenter.submit_hu if request.in_hu else self._segmenter.submit

        def segmented(slice_: Array) -> Segmentation:
            # Whoever has waited for the engine in vain is late, and `left_s` says so.
            entered = self._engine.acquire(timeout=deadline.left_s())
            try:
                return submit(slice_, deadline.left_s()).result()  # type: ignore[arg-type]  # its dtype was checked
            finally:
                if entered:
                    self._engine.release()

        return in_flight(segmented, request.slices, min(self._streams, len(request.slices)))
