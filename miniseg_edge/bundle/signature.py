"""Signatures prove who made a bundle: OpenSSF Model Signing with an elliptic-curve key, offline.

A signature covers every file of a bundle except itself, by name and SHA-256. Signing and checking hash bytes in memory,
never paths: nothing is read again between the check of a file and its use. The file format is that of model-signing's
own command, so that either side works without this package.
"""

import base64
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from miniseg_edge.bundle.records import object_from_json
from miniseg_edge.errors import SignatureError
from miniseg_edge.host.dependencies import require
from miniseg_edge.host.files import bytes_from_file

SIGNATURE_NAME = "model.sig"
MAX_SIGNATURE_BYTES = 4 * 2**20
MAX_KEY_BYTES = 2**16

Files = Mapping[str, bytes]

_PUBLIC_KEY = "a public key in PEM, on the curve P-256, P-384 or P-521"
_PRIVATE_KEY = "a private key in PEM, on the curve P-256, P-384 or P-521"


@dataclass(frozen=True)
class Signer:
    """A private key, read once. Thread-safety: one thread at a time."""

    _config: Any = field(repr=False)

    def sign(self, name: str, files: Files) -> bytes:
        """The content of the signature file for a bundle's other files, by relative path; `name` is for people."""
        with tempfile.TemporaryDirectory(prefix="miniseg-sign-") as folder:
            path = Path(folder) / SIGNATURE_NAME
            self._config.set_hashing_config(_InMemory(lambda: files, name)).sign(name, path)
            return path.read_bytes()


def signer_from_key(path: Path, password: bytes | None = None) -> Signer:
    """A signer with a private key file in PEM.

    Args:
        path: of the key: P-256, P-384 or P-521.
        password: if it is encrypted.

    Raises:
        MissingDependencyError: without the extra `sign`.
        SignatureError: not such a key, or the password is wrong or missing.
    """
    signing: Any = require("model_signing.signing", "sign")
    bytes_from_file(path, MAX_KEY_BYTES, SignatureError)
    try:
        config = signing.Config().use_elliptic_key_signer(private_key=path, password=password)
    except Exception as error:  # each kind of wrong key raises another error
        raise SignatureError(
            f"{path.name} cannot sign", expected=_PRIVATE_KEY, because=_reason(error),
            remedy="Create one: openssl ecparam -genkey -name prime256v1 -noout -out bundle.key",
        ) from error  # fmt: skip
    return Signer(config)


def is_encrypted(path: Path) -> bool:
    """Whether a private key file needs a password. Raises: SignatureError if it cannot be read."""
    return b"ENCRYPTED" in bytes_from_file(path, MAX_KEY_BYTES, SignatureError)


def check_signature(signature: bytes, read: Callable[[frozenset[str]], Files], trust: str | os.PathLike[str]) -> None:
    """Refuses a bundle that was not signed with a key, or was changed after signing.

    Args:
        signature: the signature file's content.
        read: returns every other file by relative path. It is called once, with the signed names, after the signature
            itself was verified.
        trust: path of the public key in PEM.

    Raises:
        MissingDependencyError: without the extra `sign`.
        SignatureError: the key is unusable, the signature is broken or by another key, or the files differ from those
            that were signed. Also what `read` raises.
    """
    verifying: Any = require("model_signing.verifying", "sign")
    _check_form(signature)
    held = _InMemory(lambda: read(_signed_names(signature)))
    bytes_from_file(Path(trust), MAX_KEY_BYTES, SignatureError)
    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=trust)
    except Exception as error:  # each kind of wrong key raises another error
        raise SignatureError(
            f"{Path(trust).name} cannot check a signature", expected=_PUBLIC_KEY, because=_reason(error),
            remedy="Write it with openssl ec -in bundle.key -pubout.",
        ) from error  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="miniseg-trust-") as folder:
        path = Path(folder) / SIGNATURE_NAME
        path.write_bytes(signature)
        try:
            config.set_hashing_config(held).verify(folder, path)
        except Exception as error:  # model-signing and its dependencies raise many exception types; all mean the same
            if held.failure is not None:
                raise held.failure from None
            raise SignatureError(
                "the bundle's signature is not valid",
                expected="one by the owner of the trusted key, for these files",
                because=_reason(error) or type(error).__name__,
                remedy="Get the bundle from its maker, and the key through another channel.",
            ) from error


def _check_form(signature: bytes) -> None:
    """Refuses signatures that are hostile to a parser or that name no key, before model-signing reads them."""
    found = object_from_json(signature, SIGNATURE_NAME, SignatureError)
    material = found.get("verificationMaterial")
    key = material.get("publicKey") if isinstance(material, dict) else None
    if not isinstance(key, dict) or not isinstance(key.get("hint"), str):
        raise SignatureError(
            f"{SIGNATURE_NAME} is not a signature by a key",
            expected="what miniseg-export --sign writes",
            got="another kind",
        )


def _signed_names(signature: bytes) -> frozenset[str]:
    """Names of the files that a verified signature covers. Raises: SignatureError for another kind of statement."""
    try:
        payload = base64.b64decode(json.loads(signature)["dsseEnvelope"]["payload"])
        return frozenset(str(resource["name"]) for resource in json.loads(payload)["predicate"]["resources"])
    except (KeyError, TypeError, ValueError) as error:
        raise SignatureError(
            f"{SIGNATURE_NAME} signs something else", expected="files by name", because=type(error).__name__,
            remedy="Sign the bundle again, with miniseg-export --sign KEY or model-signing 1.",
        ) from error  # fmt: skip


def _reason(error: BaseException) -> str:
    """The first line of an error, up to where it would show raw bytes; else its kind."""
    lines = str(error).strip().splitlines()
    words = re.split(r"\b[bB][\"']", lines[0][:300])[0].rstrip(" :,;({[") if lines else ""
    return words or type(error).__name__


@dataclass
class _InMemory:
    """Replaces model-signing's hashing configuration: digests of bytes in memory, regardless of paths.

    Files that a signature declares as ignored are not ignored: it must cover all files.
    """

    read: Callable[[], Files]
    name: str = ""
    failure: Exception | None = None

    def hash(self, model_path: object, *, files_to_hash: Iterable[object] | None = None) -> Any:
        """The manifest of `read`'s files, in model-signing's format."""
        try:
            files = self.read()
        except Exception as error:
            self.failure = error
            raise
        manifest: Any = require("model_signing.manifest", "sign")
        memory: Any = require("model_signing._hashing.memory", "sign")
        kind = manifest.SerializationType.from_args({"method": "files", "hash_type": "sha256", "allow_symlinks": False})
        items = [
            manifest.FileManifestItem(path=PurePosixPath(name), digest=memory.SHA256(data).compute())
            for name, data in files.items()
        ]
        return manifest.Manifest(self.name, items, kind)

    def add_ignored_paths(self, *, model_path: object, paths: Iterable[object]) -> None:
        """Nothing is ignored."""


def signing_key(signature: bytes) -> str:
    """SHA-256 of the public key that a signature claims to belong to; this proves nothing. Raises: SignatureError."""
    _check_form(signature)
    hint: str = json.loads(signature)["verificationMaterial"]["publicKey"]["hint"]
    return hint
