"""Keys of this run's own, made by `cryptography`: who may sign a bundle, and who may not."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

PASSWORD = b"a long password"


@dataclass(frozen=True)
class Keys:
    """A pair of files in PEM."""

    private: Path
    public: Path


def make_keys(
    folder: Path, name: str = "bundle", curve: ec.EllipticCurve | None = None, *, encrypted: bool = False
) -> Keys:
    """A new pair on P-256, or on another curve; the private half with `PASSWORD` or without."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    hidden: KeySerializationEncryption = BestAvailableEncryption(PASSWORD) if encrypted else NoEncryption()
    keys = Keys(folder / f"{name}.key", folder / f"{name}.pub")
    keys.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
    keys.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return keys
