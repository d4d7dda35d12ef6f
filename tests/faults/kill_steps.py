"""Forks a process again and again and kills it at its first step on the disk, its second, ...: run by `test_kills.py`.

Python tells of every step before it is made: a file opened, renamed, made readable, removed, a folder made or listed.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from miniseg_edge.bundle.bundle import open_bundle, write_bundle
from miniseg_edge.host.files import replace_file
from miniseg_edge.runtimes.segment_command import main as segment
from tests.bundles import files_below, other_bundle, small_bundle


def forked(work: Callable[[], object]) -> int:
    """Runs `work` in a child; its exit code, or minus the signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os._exit(work() or 0)  # type: ignore[arg-type]
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at_each_step(work: Callable[[], object], folder: Path) -> Iterator[int]:
    """Yields after each kill the step's number; ends when `work` was done before its step came."""
    for last in itertools.count(1):

        def hooked(last: int = last) -> object:
            seen = itertools.count(1)

            def hook(event: str, values: tuple[Any, ...]) -> None:
                if _concerns(folder, event, values) and next(seen) == last:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            return work()

        code = forked(hooked)
        if code == 0:
            return
        assert code == -signal.SIGKILL, f"step {last}: exit code {code}"
        yield last


def _concerns(folder: Path, event: str, values: tuple[Any, ...]) -> bool:
    """Whether it is a step on something in the folder; two names that change places are one too."""
    if event == "ctypes.dlsym":
        return bool(values[1] == "renameat2")
    return any(str(value).startswith(str(folder)) for value in values if isinstance(value, str | os.PathLike))


def writers(folder: Path) -> None:
    """A bundle and a file over an older one: at each step it is the old one or the new one, and both come."""
    old, new = small_bundle("bundle"), other_bundle("bundle")
    replace_file(folder / "file", b"old")
    write_bundle(old, folder / "bundle")
    found = set()
    for _ in killed_at_each_step(lambda: replace_file(folder / "file", b"new"), folder):
        found.add((folder / "file").read_bytes())
    assert found == {b"old", b"new"}
    states = []
    for _ in killed_at_each_step(lambda: write_bundle(new, folder / "bundle", overwrite=True), folder):
        states.append(open_bundle(folder / "bundle"))
        if states[-1] == new:
            write_bundle(old, folder / "bundle", overwrite=True)
    assert old in states
    assert new in states
    sys.stdout.write(f"{len(states)} steps of a bundle\n")


def segmenter(bundle: Path, source: Path, folder: Path, again: str) -> None:
    """`miniseg-segment`: at each step what is there is whole, and with `again` it ends as if nothing had been."""
    words = [str(bundle), str(source), "--runtime", "onnxruntime", "--threads", "1", "--output"]
    assert forked(lambda: segment([*words, str(folder / "whole")])) == 0
    whole = {name: (folder / "whole" / name).read_bytes() for name in files_below(folder / "whole")}
    partly = 0
    for step in killed_at_each_step(lambda: segment([*words, str(folder / "out")]), folder / "out"):
        found = _contents(folder / "out")
        assert found.items() <= whole.items(), f"step {step}: not whole"
        partly += 0 < len(found) < len(whole)
        assert forked(lambda: segment([*words, str(folder / "out"), again])) == 0
        assert _contents(folder / "out") == whole, f"step {step}: not as if nothing had been"
        for name in files_below(folder / "out"):
            (folder / "out" / name).unlink()
    assert partly
    sys.stdout.write(f"{step} steps, {partly} with some of the results\n")


def _contents(folder: Path) -> dict[str, bytes]:
    """What is there under a name that somebody would take for a result."""
    names = [name for name in files_below(folder) if not Path(name).name.startswith(".")]
    return {name: (folder / name).read_bytes() for name in names}


if __name__ == "__main__":
    if len(sys.argv) == 2:
        writers(Path(sys.argv[1]))
    else:
        segmenter(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
