"""The interface of a network in a lane: runs on a stream, between two GPU buffers."""

from typing import Protocol


class Network(Protocol):
    """One execution of a network at a time, in the order of its stream."""

    def bind(self, shape: tuple[int, ...], taken: int, given: int) -> None:
        """Sets the GPU addresses of the next runs' batch (N, C, H, W) and result.

        Raises:
            InputError: the network does not support the shape.
            DeviceMemoryError, InferenceError: the vendor refuses it.
        """

    def enqueue(self) -> None:
        """Enqueues a run on the stream. Raises: DeviceMemoryError, DeviceLostError, InferenceError."""

    def can_be_captured(self) -> bool:
        """Whether a run may be captured in a CUDA graph; called after the first run."""

    def release(self) -> None:
        """Releases its resources; may be called twice."""
