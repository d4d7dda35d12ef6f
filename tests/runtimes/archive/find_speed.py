"""Finding alone, on phantoms of 64 x 64: `python -m tests.runtimes.archive.find_speed 100000 --workers 2`.

It writes the files into a temporary folder, a hundred to a series, finds them in a new output folder and again in the
same, and prints files a second, the processor's time, and the memory of the driver.
"""

import argparse
import resource
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

from pydicom.uid import generate_uid

from miniseg_edge.runtimes.archive.engines.engine import EXECUTORS, PROCESSES, Engine
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting
from miniseg_edge.runtimes.archive.finding.find import find
from miniseg_edge.runtimes.archive.storage.output import output_at
from miniseg_edge.runtimes.archive.work import Crew
from tests.studies.series import header

SLICES = 100
SERIES_A_FOLDER = 50


def write_files(root: Path, count: int) -> None:
    """Series of 100 files; of each series the headers differ in their UIDs alone, as far as finding is concerned."""
    made = header(0)
    written = BytesIO()
    made.SeriesInstanceUID, made.SOPInstanceUID = "1" * 40, "2" * 40
    made.save_as(written, enforce_file_format=True)
    content = written.getvalue()
    for index in range(count):
        series = index // SLICES
        folder = root / f"{series // SERIES_A_FOLDER:04d}" / f"{series:06d}"
        if index % SLICES == 0:
            folder.mkdir(parents=True)
            uid = generate_uid(entropy_srcs=["series", str(series)])[:40].rstrip(".").ljust(40, "1")
            own = content.replace(b"1" * 40, uid.encode())
        (folder / f"{index % SLICES:04d}.dcm").write_bytes(own.replace(b"2" * 40, f"1.2.{index:036d}".encode()))


def processor_s() -> float:
    """Of this process and of those that it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    """Writes, finds twice, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", choices=EXECUTORS, default=PROCESSES)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive, output = Path(folder) / "archive", Path(folder) / "output"
        write_files(archive, parsed.files)
        time.sleep(3)  # until the times of the files are reliable
        for which in ("first run", "second run"):
            start, before_s = time.perf_counter(), processor_s()
            with Engine(parsed.executor, [Crew(parsed.workers)], RaySetting()) as engine:
                place = output_at(output)
                found = find(str(archive), place, engine.answers, lambda done, of: None, follow_links=False)
            took_s = time.perf_counter() - start
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            said = (
                f"{found.files:,} files",
                f"{found.series:,} series",
                f"{found.read:,} headers read",
                f"{took_s:.1f} s",
                f"{found.files / took_s:,.0f} files/s",
                f"processor {processor_s() - before_s:.1f} s",
                f"driver {peak_mb:.0f} MB",
            )
            sys.stdout.write(f"{which}: {', '.join(said)}\n")


if __name__ == "__main__":
    main()
