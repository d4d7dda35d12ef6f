"""A request's body: exactly the declared memory, returned to the system as soon as it is not needed."""

import mmap

from miniseg_edge.errors import RequestError
from miniseg_edge.host.limits import host_limits


class Body:
    """Bytes that arrive in pieces and are taken once.

    Its memory is a separate mapping: memory from the allocator would stay with the process for some sizes, and grow in
    steps for others. Untouched pages take no memory.

    Thread-safety: `add` belongs to one thread until the body is complete; `take` and `forget` may be called from any.
    """

    def __init__(self, size: int) -> None:
        """Has room for `size` bytes. Raises: HostLimitError."""
        self.size, self._filled = size, 0
        with host_limits():
            self._memory = [mmap.mmap(-1, max(size, 1))]

    @property
    def complete(self) -> bool:
        """Whether all bytes have arrived."""
        return self._filled == self.size

    def add(self, piece: bytes) -> None:
        """Adds the next bytes. Raises: RequestError if there are more than declared."""
        end = self._filled + len(piece)
        if end > self.size:
            raise RequestError("the body is longer than its Content-Length", expected=f"{self.size} bytes", got="more")
        self._memory[0][self._filled : end] = piece
        self._filled = end

    def take(self) -> memoryview | None:
        """All bytes, writable and owned by the caller from now on; None if they were taken or forgotten."""
        try:
            return memoryview(self._memory.pop())[: self.size]
        except IndexError:
            return None

    def forget(self) -> None:
        """Releases the memory unless it was taken."""
        self._memory.clear()
