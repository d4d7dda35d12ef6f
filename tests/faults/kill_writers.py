"""Forks writers and kills each at a random moment; `python kill_writers.py FOLDER KILLS` prints what was found.

A program of its own, because a process with threads must not fork.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from miniseg_edge.bundle import Bundle, open_bundle, write_bundle
from miniseg_edge.files import replace_file
from tests.bundles import other_bundle, small_bundle

CONTENTS = b"a" * 300_000, b"b" * 300_000


def killed_while(work: Callable[[], None], after_s: float) -> None:
    """Runs `work` again and again in a child, and kills it."""
    child = os.fork()
    if child == 0:
        try:
            while True:
                work()
        finally:
            os._exit(1)  # it is never done by itself
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer failed before it was killed"


def main() -> None:
    """Writes a bundle and a file, each in turn in two versions, and looks after each kill."""
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    bundle, file = folder / "bundle", folder / "file"
    write_bundle(small_bundle(), bundle)
    replace_file(file, CONTENTS[0])
    chance, seen = random.Random(5), [0, 0, 0]
    states: tuple[Bundle, Bundle] = small_bundle(bundle.name), other_bundle(bundle.name)

    def write_bundles() -> None:
        for state in states:
            write_bundle(state, bundle, overwrite=True)

    def write_files() -> None:
        for content in CONTENTS:
            replace_file(file, content)

    for _ in range(kills):
        killed_while(write_bundles, chance.uniform(0, 0.3))
        seen[states.index(open_bundle(bundle))] += 1
        killed_while(write_files, chance.uniform(0, 0.05))
        assert file.read_bytes() in CONTENTS
        seen[2] += 1
    sys.stdout.write(" ".join(map(str, seen)))


if __name__ == "__main__":
    main()
