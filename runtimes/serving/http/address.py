"""Where the service listens: on loopback, or anywhere else with a token and TLS."""

import ipaddress
import os
import re
import socket
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path

from miniseg_edge.errors import UsageError
from miniseg_edge.host.files import bytes_from_file

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
MIN_TOKEN = 32
_MAX_TOKEN_FILE, _MAX_KEY_FILE = 4096, 2**16
_BACKLOG = 1024
"""Backlog of the listening socket; one more connection waits a second for the peer's next attempt."""


@dataclass(frozen=True)
class Address:
    """A listening socket's address and protection.

    Attributes:
        host, port: to bind; port 0 chooses a free one.
        token: required in every request, or None.
        tls: None for plain HTTP.
    """

    host: str
    port: int
    token: bytes | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def names(self) -> frozenset[str] | None:
        """Host names that requests may use; None for any."""
        return LOOPBACK_NAMES if ipaddress.ip_address(self.host).is_loopback else None

    def listen(self) -> socket.socket:
        """Opens the socket. Raises: UsageError."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(
                f"{self.host} port {self.port} cannot be bound", expected="a free port", got=reason
            ) from error


def address_of(
    host: str, port: int, *, allow_remote: bool, token_file: Path | None, tls_cert: Path | None, tls_key: Path | None
) -> Address:
    """Checks a listening address before anything is opened.

    Raises:
        UsageError: the address is invalid; or it is not loopback and lacks permission, token or TLS; or the files are
            unusable.
    """
    try:
        found = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise UsageError("the host is invalid", expected="localhost or an IP address", got=host[:200]) from None
    if not 0 <= port <= 65535:
        raise UsageError("the port is invalid", expected="0..65535, 0 for a free one", got=str(port))
    if (tls_cert is None) != (tls_key is None):
        raise UsageError("TLS needs a certificate and a key", expected="--tls-cert and --tls-key", got="one of them")
    if not found.is_loopback and (not allow_remote or token_file is None or tls_cert is None):
        wanted = "127.0.0.1, ::1, or --allow-remote with --token-file, --tls-cert and --tls-key"
        raise UsageError("other machines could reach this address", expected=wanted, got=str(found))
    return Address(
        host=str(found),
        port=port,
        token=None if token_file is None else _token(token_file),
        tls=None if tls_cert is None or tls_key is None else server_tls(tls_cert, tls_key),
    )


def _token(path: Path) -> bytes:
    check_private(path)
    token = bytes_from_file(path, _MAX_TOKEN_FILE, UsageError).strip()
    if len(token) < MIN_TOKEN or not re.fullmatch(rb"[\x21-\x7e]+", token):
        raise UsageError(
            f"{path} contains no token",
            expected=f"one line of at least {MIN_TOKEN} visible ASCII characters",
            got="other content",
            remedy="Create one: openssl rand -hex 32",
        )
    return token


def server_tls(cert: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer for a server, with a certificate chain and its key in PEM. Raises: UsageError."""
    check_private(key)
    for path in (cert, key):
        bytes_from_file(path, _MAX_KEY_FILE, UsageError)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl's own exceptions are of the first type
        raise UsageError(
            "TLS cannot be set up", expected="a certificate and its key in PEM, not encrypted", because=str(error)
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted, and a service cannot ask for the password")


def check_private(path: Path) -> None:
    """Refuses a secret that other users can read. Raises: UsageError."""
    if os.name == "posix" and path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(
            f"other users can read {path}",
            expected="a file that only its owner can read",
            got="more",
            remedy=f"Run: chmod 600 {path}",
        )
