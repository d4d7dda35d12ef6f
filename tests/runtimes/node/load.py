"""Four scanners at once: every series answered once, right to the pixel, and how long that takes.

    python -m tests.runtimes.node.load BUNDLE --scanners 4 --series 10 --slices 100

Scanners are dcmtk's `storescu` and `dcmsend`, and pynetdicom, in turns; the archive is Orthanc. Seconds count from the
moment a scanner knows that its last slice is taken to the moment the archive shows the SEG. All on loopback.
"""

import argparse
import itertools
import logging
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

import miniseg_edge
from miniseg_edge.studies import open_study
from tests.ports import free_port
from tests.runtimes.node.orthanc import Orthanc, orthanc_in
from tests.runtimes.node.process import Running, running, sent
from tests.runtimes.node.scanner import seg_of, source_series, wanted, write_phantoms

LOOK_S = 0.1
END_S = 900.0
TOOLS = ("storescu", "dcmsend", "pynetdicom")


@dataclass(frozen=True)
class Outcome:
    """Of a run.

    Attributes:
        series: that were sent.
        lost, double, wrong: series without a result, with several, with another than `miniseg-segment`'s.
        p50_s, p99_s: from the last slice to the SEG in the archive.
        inference_s: median of segmenting a series in memory, alone on the machine.
        memory_mb: resident memory when half of the series were answered, and the most from then on.
        sending_s: from the first slice to the last.
        seconds: in all.
    """

    series: int
    lost: int
    double: int
    wrong: int
    p50_s: float
    p99_s: float
    inference_s: float
    memory_mb: tuple[float, float]
    sending_s: float
    seconds: float

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.double or self.wrong)


def loaded(
    bundle: Path, folder: Path, scanners: int, series: int, slices: int, size: int | None, words: tuple[str, ...]
) -> Outcome:
    """The whole experiment in a folder."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    count, port = scanners * series, free_port()
    homes = [folder / "series" / f"{number:04d}" for number in range(count)]
    uids = {write_phantoms(home, slices, number * 7 % 200, size=size): home for number, home in enumerate(homes)}
    inference_s = _inference_alone(bundle, homes[: min(5, count)])
    sent_s: dict[str, float] = {}
    names = {home: uid for uid, home in uids.items()}
    with (
        orthanc_in(folder / "orthanc", port) as orthanc,
        running(bundle, folder / "node", "--port", str(port), "--send", orthanc.node, *words) as node,
    ):
        start_s = time.monotonic()

        def scan(number: int) -> None:
            for home in homes[number::scanners]:
                _send(TOOLS[number % len(TOOLS)], node.port, home)
                sent_s[names[home]] = time.monotonic()

        threads = [threading.Thread(target=scan, args=(number,)) for number in range(scanners)]
        for thread in threads:
            thread.start()
        stored_s, memory = _watch(orthanc, node, count)
        for thread in threads:
            thread.join()
        node.wait_for(count)
        seconds = time.monotonic() - start_s
        found = _judged(bundle, orthanc, uids)
    taken = sorted(stored_s[uid] - sent_s[uid] for uid in stored_s)
    return Outcome(
        count, found["lost"], found["double"], found["wrong"], round(statistics.median(taken), 2),
        round(float(np.quantile(taken, 0.99)), 2), round(inference_s, 2), memory,
        round(max(sent_s.values()) - start_s, 1), round(seconds, 1),
    )  # fmt: skip


def _send(tool: str, port: int, home: Path) -> None:
    if tool == "pynetdicom":
        assert set(sent(port, sorted(home.iterdir()))) == {0}
        return
    words = {
        "storescu": ["storescu", "-aec", "MINISEG", "+sd", "127.0.0.1", str(port), str(home)],
        "dcmsend": ["dcmsend", "-aec", "MINISEG", "127.0.0.1", str(port), "+sd", str(home)],
    }[tool]
    subprocess.run(words, check=True, capture_output=True, timeout=END_S)


def _watch(orthanc: Orthanc, node: Running, count: int) -> tuple[dict[str, float], tuple[float, float]]:
    """When each series' first SEG was there, and the node's memory."""
    stored: dict[str, float] = {}
    process, half, most, since = psutil.Process(node.process.pid), 0.0, 0.0, 0
    end_s = time.monotonic() + END_S
    while len(stored) < count:
        assert time.monotonic() < end_s, node.said()[-3000:]
        changes = orthanc.told(f"/changes?since={since}&limit=1000")
        for change in changes["Changes"]:
            since = change["Seq"]
            if change["ChangeType"] == "NewInstance":
                uid = orthanc.ask(f"/instances/{change['ID']}/content/0008-1115/0/0020-000e").decode().strip("\0 ")
                stored.setdefault(uid, time.monotonic())
        memory = process.memory_info().rss / 2**20
        if len(stored) >= count / 2:
            half, most = half or memory, max(most, memory)
        time.sleep(LOOK_S)
    return stored, (round(half, 1), round(most, 1))


def _inference_alone(bundle: Path, homes: list[Path]) -> float:
    found = []
    with miniseg_edge.load(bundle) as segmenter:
        for home in itertools.chain(homes[:1], homes):  # the first warms up
            voxels = open_study(home).volume().voxels_hu
            start_s = time.perf_counter()
            segmenter.segment_volume_hu(voxels)
            found.append(time.perf_counter() - start_s)
    return statistics.median(found[1:])


def _judged(bundle: Path, orthanc: Orthanc, uids: dict[str, Path]) -> Counter[str]:
    stored: dict[str, list[bytes]] = {uid: [] for uid in uids}
    for data in orthanc.files(Modality="SEG"):
        stored[source_series(data)].append(data)
    found: Counter[str] = Counter()
    with miniseg_edge.load(bundle) as segmenter:
        for uid, files in stored.items():
            found["lost"] += not files
            found["double"] += len(files) > 1
            found["wrong"] += any(not seg_of(one).is_like(wanted(segmenter, uids[uid])) for one in files)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--scanners", type=int, default=4)
    parser.add_argument("--series", type=int, default=10, help="of each scanner")
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--size", type=int, help="of slices: rows and columns; default: 64 x 48")
    parsed, words = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        outcome = loaded(
            parsed.bundle,
            Path(folder),
            parsed.scanners,
            parsed.series,
            parsed.slices,
            parsed.size,
            ("--wait", "10", *words),
        )
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in vars(outcome).items()))
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
