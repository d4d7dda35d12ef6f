"""Limits on what one connection may send: the length of a PDU and of an object, and the time for each.

The library accepts any announced length and waits for it indefinitely. Here the length is checked first, and every wait
has a limit. Exceeding a limit ends the association with an A-ABORT.
"""

import socket
import time
from collections.abc import Callable
from typing import Any

from miniseg_edge.runtimes.node.limits import NodeLimits

MAX_COMMAND_BYTES = 2**16
MAX_SMALL_OBJECT_BYTES = 2**22
"""Limit for objects that the library keeps in memory: all except those of C-STORE."""

MAX_OTHER_PDU_BYTES = 2**16
"""Limit for an association request with every possible presentation context, and for everything except data."""

_HEADER_BYTES, _DATA_PDU, _LARGEST_TYPE = 6, 4, 7
_PDV_HEAD_BYTES = 6
_IS_COMMAND, _IS_LAST = 1, 2
_ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 6))
"""A-ABORT by the service provider: invalid PDU parameter value."""

_MAX_OUTSTANDING = 2
"""Unanswered requests: we negotiate one at a time, and the next may arrive before our answer is counted."""

_PIECE = 2**16


class Guard:
    """Reads for one association.

    Thread-safety: `recv` belongs to the connection's thread; the rest may be called from any.
    """

    def __init__(
        self, socket_of: Any, limits: NodeLimits, is_stored: Callable[[int], bool], on_end: Callable[[], None]
    ) -> None:
        """Reads from a library's socket.

        Args:
            socket_of: pynetdicom's AssociationSocket.
            limits: the bounds.
            is_stored: whether objects in a presentation context are written to disk as they arrive.
            on_end: called when nothing more can arrive.
        """
        self._on_end = on_end
        self._of, self._limits, self._is_stored = socket_of, limits, is_stored
        self._in_header = True
        self._command_bytes = self._object_bytes = self._outstanding = 0
        self._object_began_s: float | None = None
        self.last_byte_s = time.monotonic()
        self.violation = ""

    @property
    def receives(self) -> bool:
        """Whether something has started to arrive and has not been answered."""
        return not self._in_header or self._outstanding > 0

    def answered(self) -> None:
        """A request was answered."""
        self._outstanding = max(0, self._outstanding - 1)

    def recv(self, count: int) -> bytearray:
        """So many bytes, or fewer if the peer has gone. Raises: OSError, also for what is above a bound."""
        try:
            return self._received(count)
        except OSError:  # a reset, or a bound
            self._on_end()
            raise

    def _received(self, count: int) -> bytearray:
        data = self._read(count)
        if len(data) < count or (self._in_header and not 0 < data[0] <= _LARGEST_TYPE):
            self._on_end()
        if self._in_header:
            if len(data) == _HEADER_BYTES and 0 < data[0] <= _LARGEST_TYPE:
                self._in_header = False
                self._check_length(data[0], int.from_bytes(data[2:6], "big"))
                self._kind = data[0]
            return data
        self._in_header = True
        if self._kind == _DATA_PDU:
            self._look_at(data)
        return data

    def _read(self, count: int) -> bytearray:
        connection: Any = self._of.socket
        end_s = time.monotonic() + self._limits.pdu_s
        data = bytearray()
        try:
            while len(data) < count:
                left_s = end_s - time.monotonic()
                if left_s <= 0:
                    self._violate("a PDU takes too long")
                connection.settimeout(left_s)
                piece = connection.recv(min(_PIECE, count - len(data)))
                if not piece:
                    return data
                data += piece
                self.last_byte_s = time.monotonic()
        except socket.timeout:  # noqa: UP041  before Python 3.10 it was another than TimeoutError, and ssl's says more
            self._violate("a PDU takes too long")
        finally:
            connection.settimeout(self._limits.pdu_s)  # for the answers
        return data

    def _check_length(self, kind: int, length: int) -> None:
        if length > (self._limits.pdu_bytes if kind == _DATA_PDU else MAX_OTHER_PDU_BYTES):
            self._violate("a PDU is too long")

    def _look_at(self, data: bytearray) -> None:
        position = 0
        while position + _PDV_HEAD_BYTES <= len(data):
            length = int.from_bytes(data[position : position + 4], "big")
            context, control = data[position + 4], data[position + 5]
            self._count(context, control, max(0, length - 2))
            position += 4 + max(2, length)

    def _count(self, context: int, control: int, size: int) -> None:
        if self._object_began_s is None:
            self._object_began_s = time.monotonic()
        if control & _IS_COMMAND:
            self._command_bytes += size
            if self._command_bytes > MAX_COMMAND_BYTES:
                self._violate("a command is too long")
            if control & _IS_LAST:
                self._command_bytes, self._outstanding = 0, self._outstanding + 1
                self._object_began_s = None  # an object may follow, or not
                if self._outstanding > _MAX_OUTSTANDING:
                    self._violate("too many requests at once")
            return
        self._object_bytes += size
        most = self._limits.object_bytes if self._is_stored(context) else MAX_SMALL_OBJECT_BYTES
        if self._object_bytes > most:
            self._violate("an object is too long")
        if time.monotonic() - self._object_began_s > self._limits.object_s:
            self._violate("an object takes too long")
        if control & _IS_LAST:
            self._object_bytes, self._object_began_s = 0, None

    def _violate(self, what: str) -> None:
        self.violation = what
        connection: Any = self._of.socket
        try:
            connection.settimeout(1.0)
            connection.send(_ABORT)
            connection.shutdown(socket.SHUT_WR)  # the library itself would only wait
        except OSError:
            pass
        raise OSError(what)
