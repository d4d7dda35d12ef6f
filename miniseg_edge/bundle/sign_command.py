"""`miniseg-sign`: signs a bundle that was exported without a key, or by somebody else."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.bundle.bundle import MAX_MANIFEST_BYTES, open_bundle
from miniseg_edge.bundle.manifest import MANIFEST_NAME
from miniseg_edge.bundle.signature import SIGNATURE_NAME
from miniseg_edge.bundle.signing_key import signer_asked_for
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.errors import BundleError, OutputExistsError
from miniseg_edge.host.files import bytes_from_file, replace_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 signed, 1 our error, 2 usage."""
    parser = Parser(
        prog="miniseg-sign",
        description="Signs a finished bundle. Every file is verified first, and none but the signature is changed.",
        epilog="Exit codes: 0 signed, 1 error, 2 usage.",
        answers=True,
        examples=("miniseg-sign bundle --key bundle.key", "miniseg-sign bundle --key new.key --overwrite"),
    )
    parser.add_argument("bundle", type=Path, help="directory from miniseg-export")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="KEY", help="private key (PEM, P-256, P-384 or P-521)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a signature that is there already")
    return run(parser, arguments, _work)


def _work(parsed: argparse.Namespace) -> None:
    digest = sign_bundle(parsed.bundle, parsed.key, overwrite=parsed.overwrite)
    terminal.answer({"bundle": parsed.bundle, "digest": digest, "signature": parsed.bundle / SIGNATURE_NAME})
    terminal.say(f"{parsed.bundle} is signed; bundle {digest}", "good")


def sign_bundle(path: Path, key: Path, *, overwrite: bool = False) -> str:
    """Verifies a bundle, and writes its signature into it; the bundle's digest.

    Args:
        path: of the bundle.
        key: private key in PEM; its password is asked for in the terminal.
        overwrite: whether a signature that is there already is replaced.

    Raises:
        OutputExistsError: it is signed already. BundleError and its subclasses: it is not as its manifest says.
        SignatureError, MissingDependencyError, UsageError: as `signer_asked_for`.
        OutputError: the signature cannot be written; the bundle is as it was.
    """
    signature = path / SIGNATURE_NAME
    if signature.exists() and not overwrite:
        raise OutputExistsError(
            f"{signature} exists", expected="an unsigned bundle", remedy="Add --overwrite to sign it again."
        )
    signer = signer_asked_for(key)
    bundle = open_bundle(path)
    manifest = bytes_from_file(path / MANIFEST_NAME, MAX_MANIFEST_BYTES, BundleError)
    files = {**bundle.contents, MANIFEST_NAME: manifest}
    replace_file(signature, signer.sign(path.resolve().name, files))
    return bundle.manifest.digest


if __name__ == "__main__":
    raise SystemExit(main())
