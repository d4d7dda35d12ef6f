"""What a lane runs: a vendor's network on a stream, between two buffers of the GPU."""

from typing import Protocol


class Network(Protocol):
    """One execution of a network at a time, in the order of the stream that it was opened for."""

    def bind(self, shape: tuple[int, ...], taken: int, given: int) -> None:
        """Says where the next runs read their batch (N, C, H, W) from and write their answer to: GPU addresses.

        Raises:
            InputError: a shape that the network does not serve.
            DeviceMemoryError, InferenceError: the vendor refuses it.
        """

    def enqueue(self) -> None:
        """Puts a run on the stream. Raises: DeviceMemoryError, DeviceLostError, InferenceError."""

    def can_be_captured(self) -> bool:
        """Whether a run may go into a CUDA graph; asked after the first run."""

    def release(self) -> None:
        """Lets go of what it holds; may be called twice."""
