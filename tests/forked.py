"""A host that opens a Segmenter and then starts children: what each child gets, as JSON.

`python -m tests.forked RUNTIME BUNDLE START TASK`: START is how the child is started, TASK what it does.
"""

import hashlib
import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import miniseg_edge
from miniseg_edge import MiniSegError
from miniseg_edge.slices.preprocessing import ByteArray

LIMIT_S = 100.0
"""A child that takes longer hangs; the slowest here takes a few seconds on an idle machine."""

SLICES = np.random.default_rng(7).integers(0, 256, (4, 96, 80), dtype=np.uint8)
"""Of another size than the bundle's, so that OpenCV works on them too."""


def code_of(work: Callable[[], object]) -> str:
    """The code of the error that `work` raises."""
    try:
        work()
    except MiniSegError as error:
        return error.code
    return "none"


def digest(mask: ByteArray) -> str:
    return hashlib.sha256(mask.tobytes()).hexdigest()


def endless() -> Iterator[ByteArray]:
    while True:
        yield SLICES[0]


class Host:
    """The parent, with a Segmenter that was used in every way, and a thread that used it and now waits."""

    def __init__(self, bundle: str, runtime: str) -> None:
        self.at_work = False
        self.segmenter = segmenter = miniseg_edge.load(bundle, runtime)
        self.mask = segmenter.segment(SLICES[0]).mask
        segmenter.segment_volume(SLICES)
        self.done = segmenter.submit(SLICES[0])
        self.done.result()
        used = threading.Event()
        threading.Thread(target=self._use_and_wait, args=(used,), daemon=True).start()
        used.wait()

    def work(self) -> None:
        """From here on the engines are at work."""
        self.at_work = True
        self.stream, self.many = self.segmenter.stream(endless()), self.segmenter.segment_many(endless())
        self.abandoned = self.segmenter.stream(endless())
        for results in (self.stream, self.many, self.abandoned):
            next(results)
        self.jobs = [self.segmenter.submit(SLICES[0], deadline_s=600.0) for _ in range(40)]

    def _use_and_wait(self, used: threading.Event) -> None:
        self.segmenter.segment(SLICES[0])
        used.set()
        threading.Event().wait()


def inherited(host: Host, bundle: str, runtime: str) -> dict[str, str]:
    """Every way into an inherited Segmenter."""
    one, hu = host.segmenter, SLICES.astype(np.int16)
    ways: dict[str, Callable[[], object]] = {
        "segment": lambda: one.segment(SLICES[0]),
        "segment_hu": lambda: one.segment_hu(hu[0]),
        "segment_many": lambda: next(one.segment_many(SLICES)),
        "segment_many_hu": lambda: next(one.segment_many_hu(hu)),
        "segment_read_hu": lambda: next(one.segment_read_hu(lambda index: hu[index], range(4))),
        "stream": lambda: next(one.stream(SLICES)),
        "stream_hu": lambda: next(one.stream_hu(hu)),
        "submit": lambda: one.submit(SLICES[0]),
        "submit_hu": lambda: one.submit_hu(hu[0], deadline_s=1.0),
        "segment_volume": lambda: one.segment_volume(SLICES),
        "segment_volume_hu": lambda: one.segment_volume_hu(hu),
        "prepare": lambda: one.prepare(SLICES[0]),
        "prepare_hu": lambda: one.prepare_hu(hu[0]),
        "runtime": lambda: one.runtime,
    }
    if host.at_work:
        ways["a stream that was begun"] = lambda: next(host.stream)
        ways["segment_many that was begun"] = lambda: next(host.many)
        ways["a job that was handed over"] = host.jobs[-1].result
        ways["its exception"] = host.jobs[-1].exception
    told = {name: code_of(way) for name, way in ways.items()}
    one.close()
    one.close()
    with one:
        pass
    return {
        **told,
        "after close": code_of(lambda: one.segment(SLICES[0])),
        "a job that was done": str(host.done.done()),
    }


def own(host: Host | None, bundle: str, runtime: str) -> dict[str, str]:
    """The child's own Segmenter, every engine of it."""
    try:
        segmenter = miniseg_edge.load(bundle, runtime)
    except MiniSegError as error:
        return {"load": error.code}
    with segmenter:
        masks = [
            segmenter.segment(SLICES[0]).mask,
            segmenter.segment_volume(SLICES).mask[0],
            segmenter.submit(SLICES[0]).result().mask,
            next(segmenter.stream(SLICES)).mask,
        ]
    return {"load": "works", "masks": " ".join({digest(mask) for mask in masks})}


def nothing(host: Host, bundle: str, runtime: str) -> dict[str, str]:
    """Ends at once; the interpreter frees what it has inherited."""
    return {}


def own_and_tell(bundle: str, runtime: str, answer: Any) -> None:
    answer.put(own(None, bundle, runtime))


def in_fork(host: Host, task: Callable[..., dict[str, str]], bundle: str, runtime: str) -> dict[str, Any]:
    """A bare fork, whose child ends like any interpreter."""
    host_end, child_end = os.pipe()
    if (child := os.fork()) == 0:
        with os.fdopen(child_end, "w") as pipe:
            json.dump(task(host, bundle, runtime), pipe)
        sys.exit(0)
    os.close(child_end)
    stopped = threading.Timer(LIMIT_S, os.kill, (child, 9))
    stopped.start()
    with os.fdopen(host_end) as pipe:
        told = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    stopped.cancel()
    return {"status": status, "told": json.loads(told or "{}")}


def in_process(context: Any, bundle: str, runtime: str) -> dict[str, Any]:
    """A process of `multiprocessing`, which loads its own."""
    answer = context.SimpleQueue()
    child = context.Process(target=own_and_tell, args=(bundle, runtime, answer))
    child.start()
    child.join(LIMIT_S)
    child.kill()
    child.join()
    return {"status": child.exitcode, "told": {} if answer.empty() else answer.get()}


def main() -> None:
    runtime, bundle, start, task, *at_work = sys.argv[1:]
    host = Host(bundle, runtime)
    if at_work:
        host.work()
    if start == "os.fork":
        found = in_fork(host, globals()[task], bundle, runtime)
    else:
        found = in_process(multiprocessing.get_context(start), bundle, runtime)
    # What a child does concerns no parent.
    found["parent"] = digest(host.segmenter.segment(SLICES[0]).mask)
    found["sent"] = code_of(lambda: multiprocessing.get_context("spawn").Process(target=host.segmenter.segment).start())
    sys.stdout.write(json.dumps({**found, "mask": digest(host.mask)}))
    host.segmenter.close()


if __name__ == "__main__":
    main()
