"""A process ends as it should, wherever threads of ours are when it does."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from miniseg_edge.runtimes.backends.ending import before_the_end

ENDINGS = {
    "a stream that was given up": "next(segmenter.stream(slices()))",
    "slices in flight": "next(segmenter.segment_many(slices()))",
    "jobs that nobody waits for": "[segmenter.submit(SLICE, 60.0) for _ in range(9)]",
    "a job with a callback": "segmenter.submit(SLICE).add_done_callback(lambda job: job.result())",
}

PROGRAM = """
import sys
import numpy as np
import miniseg_edge
SLICE = np.random.default_rng(7).integers(0, 256, (96, 80), dtype=np.uint8)
def slices():
    while True:
        yield SLICE
with miniseg_edge.load(sys.argv[1], sys.argv[2]) as segmenter:
    segmenter.segment(SLICE)
    {way}
del segmenter
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", ""])
@pytest.mark.parametrize("way", ENDINGS)
@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime", "torch"])
def test_a_process_ends_in_peace(bundle_path: Path, runtime: str, way: str, threads: str) -> None:
    environment = {**os.environ, **({"OMP_NUM_THREADS": threads} if threads else {})}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM.format(way=ENDINGS[way]), str(bundle_path), runtime]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_work_before_the_end_is_done_in_any_thread() -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(before_the_end(lambda: found.append("done"))))
    thread.start()
    thread.join()
    assert found == ["done", True]


def test_after_it_has_begun_only_the_main_thread_works() -> None:
    code = (
        "import sys, threading\n"
        "from miniseg_edge.runtimes.backends import ending\n"
        "ending._under_way.wait()\n"
        "def work(name):\n"
        "    told = ending.before_the_end(lambda: sys.stdout.write(f'{name} works; '))\n"
        "    sys.stdout.write(f'{name}: {told}; ')\n"
        "thread = threading.Thread(target=work, args=('other',))\n"
        "thread.start()\n"
        "thread.join()\n"
        "work('main')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "other: False; main works; main: True; ", "")
