"""TLS with certificates on both sides, as DICOM's secure transport profiles require."""

import ssl
from pathlib import Path

from miniseg_edge.errors import UsageError
from miniseg_edge.host.files import bytes_from_file
from miniseg_edge.runtimes.serving.http.address import check_private, server_tls

_MAX_FILE = 2**20


def incoming_tls(cert: Path, key: Path, peers: Path) -> ssl.SSLContext:
    """For scanners: they present a certificate signed by `peers` (PEM). Raises: UsageError."""
    context = server_tls(cert, key)
    context.verify_mode = ssl.CERT_REQUIRED
    _trust(context, peers)
    return context


def outgoing_tls(cert: Path | None, key: Path | None, peers: Path | None) -> ssl.SSLContext:
    """For archives: `peers`, or the system's authorities, verify them; we present a certificate if there is one.

    Raises:
        UsageError: the files are unusable.
    """
    context = ssl.create_default_context() if peers is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if peers is not None:
        _trust(context, peers)
    if cert is not None and key is not None:
        check_private(key)
        try:
            context.load_cert_chain(cert, key)
        except OSError as error:
            raise UsageError(
                "TLS cannot be set up", expected="a certificate and its key in PEM", because=str(error)
            ) from error
    return context


def _trust(context: ssl.SSLContext, peers: Path) -> None:
    try:
        context.load_verify_locations(cadata=bytes_from_file(peers, _MAX_FILE, UsageError).decode("ascii"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{peers} contains no certificate", expected="certificates in PEM", because=type(error).__name__
        ) from error
