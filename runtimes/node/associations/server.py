"""Pynetdicom's server with limits: connections are few and guarded, and no handshake blocks the others."""

import socket
import socketserver
import ssl
import sys
import threading
from typing import Any

from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from miniseg_edge.console.logs import logger_of
from miniseg_edge.runtimes.node.associations.guard import Guard
from miniseg_edge.runtimes.node.limits import NodeLimits

HANDSHAKE_S = 5.0
_SPARE = 16
"""Connections beyond the allowed associations, so that one more can be refused with a DICOM status."""

_logger = logger_of(__name__)


class GuardedHandler(RequestHandler):
    """Turns a connection into an association."""

    server: "GuardedServer"

    def handle(self) -> None:
        """Finishes the handshake, then starts the association; both in this connection's own thread."""
        try:
            if isinstance(self.request, ssl.SSLSocket):
                self.request.settimeout(HANDSHAKE_S)
                self.request.do_handshake()
                self.request.settimeout(None)
        except OSError as error:
            _logger.warning("a TLS handshake failed: %s", type(error).__name__)
            self.request.close()
            return
        finally:
            self.server.shakes_hands(-1)
        super().handle()
        self._association.join()
        self.request.close()  # the library's threads may end without that, after an exception of their own

    def _create_association(self) -> Any:
        association: Any = super()._create_association()
        self._association = association
        reading = association.dul.socket

        def is_stored(context: int) -> bool:
            accepted = association._accepted_cx.get(context)
            return accepted is not None and str(accepted.abstract_syntax) in self.server.stored

        def on_end() -> None:
            """Wakes a connection that waits for a request, because it would otherwise keep its place."""
            if association.requestor.primitive is None:
                association.dul.to_user_queue.put(None)

        association.guard = Guard(reading, self.server.limits, is_stored, on_end)
        reading.recv = association.guard.recv
        return association


class GuardedServer(ThreadedAssociationServer):
    """Like the library's, with limits. `limits` and `stored`, the SOP classes written to disk, are set at once."""

    limits = NodeLimits()
    stored: frozenset[str] = frozenset()
    daemon_threads = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._handshakes, self._lock = 0, threading.Lock()
        kwargs["request_handler"] = GuardedHandler
        super().__init__(*args, **kwargs)

    def shakes_hands(self, difference: int) -> None:
        """Counts connections that are not associations yet."""
        with self._lock:
            self._handshakes += difference

    def stop_accepting(self) -> None:
        """Ends `serve_forever`; associations continue.

        The library's own `shutdown` is for servers that its AE started.
        """
        socketserver.BaseServer.shutdown(self)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """A connection whose TLS handshake has not happened yet."""
        assert self.socket is not None  # noqa: S101  a server that serves has one
        connection, address = self.socket.accept()
        connection.settimeout(None)
        if self.ssl_context is not None:
            connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs one line instead of the library's traceback."""
        error = sys.exc_info()[0]
        _logger.error("a connection failed: %s", "unknown" if error is None else error.__name__)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Drops connections if there is no room; an accepted one starts its handshake."""
        with self._lock:
            inside = self._handshakes + len(self.active_associations)
            if inside >= self.limits.associations + _SPARE:
                return False
            self._handshakes += 1
        return True
