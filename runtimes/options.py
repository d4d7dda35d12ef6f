"""The options of every command that opens a bundle: which runtime, on what, and whose signature it needs."""

import argparse
from pathlib import Path

from miniseg_edge.runtimes.backends.registry import AUTO, registry


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """--runtime alone."""
    names = (AUTO, *(entry.name for entry in registry()))
    parser.add_argument(
        "--runtime", default=AUTO, choices=names, metavar="NAME", help=f"{', '.join(names)} (default: %(default)s)"
    )


def add_opening(parser: argparse.ArgumentParser) -> None:
    """All that `load` takes, and the key of `open_bundle`."""
    add_runtime(parser)
    parser.add_argument("--precision", default=AUTO, help="of the artefact; default: fp32 where the bundle has it")
    parser.add_argument("--device", default=AUTO, help='"cpu", "cuda:0", ...; default: the runtime\'s first')
    parser.add_argument("--threads", type=int, metavar="N", help="of the runtime; default: its own choice")
    parser.add_argument("--trust", type=Path, metavar="KEY", help="public key whose owner must have signed the bundle")
