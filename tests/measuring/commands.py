"""What a process of `test_process` answers."""

import os
import subprocess
import sys
from dataclasses import dataclass

from miniseg_edge.errors import InputError
from miniseg_edge.measuring.child import serve


@dataclass(frozen=True)
class Point:
    x: int
    samples: tuple[float, ...]


class Commands:
    def twice(self, number: int) -> int:
        return 2 * number

    def point(self) -> Point:
        return Point(1, (0.5, 0.25))

    def chatter(self) -> str:
        sys.stdout.write("a vendor's greeting\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-c", "print('of another program')"], check=True)
        return "after the noise"

    def fails(self) -> None:
        raise ValueError("no such luck")

    def refuses(self) -> None:
        raise InputError("a slice is missing", expected="a slice", got="none")

    def dies(self) -> None:
        os._exit(3)


def main() -> None:
    serve(Commands())
