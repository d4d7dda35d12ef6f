"""Kills a node at random moments while scanners send: nothing is lost, nothing is there twice, nothing is wrong.

    python -m tests.runtimes.node.kills BUNDLE --kills 200

A kill is SIGKILL, at a random moment of the process' life, its start included. Scanners send again what was not
acknowledged, and never what was. Needs Orthanc.
"""

import argparse
import logging
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import miniseg_edge
from tests.ports import free_port
from tests.runtimes.node.orthanc import Orthanc, orthanc_in
from tests.runtimes.node.process import wait_until, words_of
from tests.runtimes.node.scanner import seg_of, send_until_taken, source_series, wanted, write_phantoms

SLICES = 4
LONGEST_LIFE_S = 4.0
SCANNERS = 2
END_S = 300.0


@dataclass(frozen=True)
class Outcome:
    """Of a run.

    Attributes:
        kills: that were done.
        series: that were sent.
        lost, double, wrong, dead: series without a result, with several, with another than `miniseg-segment`'s, and
            dead letters.
        left: series that are in the spool at the end.
    """

    kills: int
    series: int
    lost: int
    double: int
    wrong: int
    dead: int
    left: int

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.double or self.wrong or self.dead or self.left)


def kill_again_and_again(bundle: Path, folder: Path, kills: int, seed: int = 0) -> Outcome:
    """The whole experiment in a folder."""
    chance, port = random.Random(seed), free_port()
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    with orthanc_in(folder / "orthanc", port) as orthanc:
        is_over = threading.Event()
        uids: dict[str, Path] = {}

        def scan(number: int) -> None:
            for turn in range(number, 100_000, SCANNERS):
                if is_over.is_set():
                    return
                series = folder / "series" / f"{turn:05d}"
                uids[write_phantoms(series, SLICES, turn * SLICES % 400)] = series
                send_until_taken(lambda: port, series, lambda: False)
                time.sleep(0.3)

        scanners = [threading.Thread(target=scan, args=(number,)) for number in range(SCANNERS)]
        for scanner in scanners:
            scanner.start()
        words = words_of(
            bundle, folder / "node", "--port", str(port), "--send", orthanc.node, "--wait", "8", "--late", "1",
            "--send-pause", "0.2",
        )  # fmt: skip
        (folder / "node").mkdir()
        with (folder / "node" / "log").open("ab") as log:
            for _ in range(kills):
                with subprocess.Popen(words, stdout=log, stderr=log) as process:
                    time.sleep(chance.uniform(0, LONGEST_LIFE_S))
                    assert process.poll() is None, (folder / "node" / "log").read_text()[-3000:]
                    process.kill()
            is_over.set()
            with subprocess.Popen(words, stdout=log, stderr=log) as process:
                for scanner in scanners:
                    scanner.join()
                home = folder / "node" / "spool"
                wait_until(
                    lambda: not any((home / "series").iterdir()),
                    lambda: (folder / "node" / "log").read_text()[-3000:],
                    END_S,
                )
                process.terminate()
        return _outcome(bundle, orthanc, uids, kills, folder / "node" / "spool")


def _outcome(bundle: Path, orthanc: Orthanc, uids: dict[str, Path], kills: int, spool: Path) -> Outcome:
    stored: dict[str, list[bytes]] = {uid: [] for uid in uids}
    for data in orthanc.files(Modality="SEG"):
        stored[source_series(data)].append(data)
    found: Counter[str] = Counter()
    with miniseg_edge.load(bundle, threads=1) as segmenter:
        for uid, files in stored.items():
            found["lost"] += not files
            found["double"] += len(files) > 1
            found["wrong"] += any(not seg_of(one).is_like(wanted(segmenter, uids[uid])) for one in files)
    dead, left = (len(list((spool / name).iterdir())) for name in ("dead", "series"))
    return Outcome(kills, len(uids), found["lost"], found["double"], found["wrong"], dead, left)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args()
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        outcome = kill_again_and_again(parsed.bundle, Path(folder), parsed.kills, parsed.seed)
    sys.stdout.write(f"{outcome}\n{time.monotonic() - start_s:.0f} s\n")
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
