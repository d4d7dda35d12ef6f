"""The user's options for model servers. Importable without torch and without any vendor."""

import argparse
from dataclasses import dataclass

from miniseg_edge.errors import UsageError

TRITON, OVMS = "triton", "ovms"
LAYOUTS = (TRITON, OVMS)


@dataclass(frozen=True)
class Serving:
    """Which layouts to write, and how the servers are configured.

    Attributes:
        layouts: of `LAYOUTS`, each once.
        instances: number of slices that a model processes concurrently.
        threads: CPU threads of each instance; None uses the vendor's default, which is all cores.
        max_batch: maximum slices batched in one inference, for backends that gain from it.
        max_queue: maximum requests waiting for a model; further ones are refused at once.

    Raises:
        UsageError: an invalid number.
    """

    layouts: tuple[str, ...]
    instances: int = 1
    threads: int | None = None
    max_batch: int = 8
    max_queue: int = 64

    def __post_init__(self) -> None:
        known = set(self.layouts) <= set(LAYOUTS) and len(set(self.layouts)) == len(self.layouts)
        if not self.layouts or not known:
            got = ", ".join(self.layouts)
            raise UsageError("the layouts are invalid", expected=f"each of {', '.join(LAYOUTS)} at most once", got=got)
        numbers = {"instances": self.instances, "threads": self.threads, "max-batch": self.max_batch,
                   "max-queue": self.max_queue}  # fmt: skip
        if wrong := [f"--{name} {number}" for name, number in numbers.items() if number is not None and number < 1]:
            raise UsageError("the server options are invalid", expected="numbers from 1 on", got=", ".join(wrong))


def add_serving_options(parser: argparse.ArgumentParser) -> None:
    """Adds them as an option group."""
    group = parser.add_argument_group("servers (--target triton, --target ovms)")
    group.add_argument("--instances", type=int, metavar="N", help="concurrent slices of a model, default 1")
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads for each of them; default: all cores")
    group.add_argument("--max-batch", type=int, metavar="N", help="triton: maximum slices in one inference, default 8")
    group.add_argument("--max-queue", type=int, metavar="N", help="triton: maximum waiting requests, default 64")


def serving_options(parsed: argparse.Namespace) -> Serving | None:
    """The options, or None without a server. Raises: UsageError."""
    layouts = tuple(dict.fromkeys(target for target in parsed.target if target in LAYOUTS))
    names = ("instances", "threads", "max_batch", "max_queue")
    said = {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}
    if not layouts and said:
        got = ", ".join(f"--{name.replace('_', '-')}" for name in said)
        raise UsageError("server options need a server target", expected="--target triton or --target ovms", got=got)
    return Serving(layouts, **said) if layouts else None
