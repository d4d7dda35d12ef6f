"""The private key that somebody named, with its password asked for where it has one."""

import sys
from getpass import getpass
from pathlib import Path

from miniseg_edge.bundle.signature import Signer, is_encrypted, signer_from_key
from miniseg_edge.errors import UsageError


def signer_asked_for(key: Path, *, ask: bool = True) -> Signer:
    """Reads a key before the work that it signs.

    Args:
        key: private key in PEM.
        ask: whether a terminal may be asked for its password.

    Raises:
        SignatureError, MissingDependencyError: as `signer_from_key`.
        UsageError: it has a password, and there is no terminal to ask in.
    """
    if not is_encrypted(key):
        return signer_from_key(key)
    if not ask or not sys.stdin.isatty():
        raise UsageError(
            f"{key.name} needs a password", expected="a terminal to ask in, or a key without one", got="neither"
        )
    return signer_from_key(key, getpass(f"Password of {key.name}: ").encode())
