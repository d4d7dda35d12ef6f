"""Connections that are closed for certain, even if the peer closes first.

pynetdicom shuts a connection down, then closes it. Where the peer has gone, the first fails and the second never
happens, so a file descriptor would stay open until the garbage collector comes by.
"""

import socket
from contextlib import suppress
from typing import Any


def close_for_certain(event: Any) -> None:
    """Handles EVT_CONN_OPEN: this association closes its socket even where the peer was faster."""
    library_socket = event.assoc.dul.socket
    connection: socket.socket = library_socket.socket

    def close() -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    library_socket._shutdown_socket = close
