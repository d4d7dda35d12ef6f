"""Peers that may send, and destinations of results, as written on a command line."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from miniseg_edge.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_AE_TITLE = re.compile(r"[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")
"""1 to 16 ASCII characters without backslash, without surrounding blanks: PS3.5, 6.2."""


@dataclass(frozen=True)
class Accepted:
    """A calling AE title that may send, and its network; None for any."""

    title: str
    network: Network | None = None

    def admits(self, title: str, address: str) -> bool:
        """Whether a peer with this title and address matches."""
        if title != self.title:
            return False
        return self.network is None or plain_address(address) in self.network


@dataclass(frozen=True)
class ArchiveNode:
    """An archive that accepts results by C-STORE."""

    title: str
    host: str
    port: int

    @property
    def name(self) -> str:
        """For logs and metrics."""
        return self.title


@dataclass(frozen=True)
class ArchiveUrl:
    """An archive that accepts results by STOW-RS."""

    url: str

    @property
    def name(self) -> str:
        """For logs and metrics."""
        return urlsplit(self.url).netloc


Destination = ArchiveNode | ArchiveUrl


def ae_title(text: str) -> str:
    """An AE title. Raises: UsageError."""
    if not _AE_TITLE.fullmatch(text):
        raise UsageError(
            "the AE title is invalid", expected="1 to 16 characters of ASCII, without a backslash", got=text[:64]
        )
    return text


def accepted(text: str) -> Accepted:
    """`TITLE`, `TITLE@ADDRESS` or `TITLE@NETWORK/BITS`. Raises: UsageError."""
    title, _, where = text.partition("@")
    if not where and "@" not in text:
        return Accepted(ae_title(title))
    try:
        return Accepted(ae_title(title), ipaddress.ip_network(where))
    except ValueError:
        raise UsageError(
            "the peer is invalid", expected="TITLE@ADDRESS or TITLE@NETWORK/BITS", got=text[:100]
        ) from None


def destination(text: str) -> Destination:
    """`TITLE@HOST:PORT`, or a URL of STOW-RS without its `/studies`. Raises: UsageError."""
    if text.startswith(("http://", "https://")):
        parts = urlsplit(text)
        if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
            raise UsageError(
                "the archive's address is invalid",
                expected="https://HOST/PATH without user, query or fragment",
                got=parts.netloc[:100],
            )
        return ArchiveUrl(text.rstrip("/"))
    title, _, place = text.partition("@")
    host, _, port = place.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise UsageError(
            "the archive's address is invalid", expected="TITLE@HOST:PORT, or https://HOST/PATH", got=text[:100]
        )
    return ArchiveNode(ae_title(title), host.strip("[]"), int(port))


def addresses_of(node: ArchiveNode) -> tuple[Accepted, ...]:
    """An archive as a peer that may call back with its confirmation.

    Raises: UsageError if its name cannot be resolved.
    """
    try:
        found = {info[4][0] for info in socket.getaddrinfo(node.host, node.port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise UsageError(f"{node.host} cannot be resolved", because=error.strerror or str(error)) from error
    return tuple(Accepted(node.title, ipaddress.ip_network(plain_address(str(one)))) for one in sorted(map(str, found)))


def plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address without zone, with an IPv4 address inside IPv6 as IPv4."""
    found = ipaddress.ip_address(text.partition("%")[0])
    inside = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if inside is None else inside
