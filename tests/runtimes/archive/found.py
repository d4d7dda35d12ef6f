"""An archive's series as a list, for tests of small ones; the product never has such a list."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.runtimes.archive.engines.engine import IN_PROCESS, Engine
from miniseg_edge.runtimes.archive.finding import index
from miniseg_edge.runtimes.archive.finding.find import Found, find
from miniseg_edge.runtimes.archive.finding.records import series_of, series_schema
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.archive.storage.output import output_at
from miniseg_edge.runtimes.archive.to_do import size_order
from miniseg_edge.runtimes.archive.work import Crew


@dataclass(frozen=True)
class Listed:
    """What an archive holds: its series, the largest first, and the counts."""

    series: tuple[Series, ...]
    found: Found

    @property
    def other_files(self) -> int:
        return self.found.other_files

    @property
    def links_out(self) -> int:
        return self.found.links_out


def find_series(source: str | Path, output: Path | None = None) -> Listed:
    """Finds in this process; the index goes to `output`, or away."""
    with tempfile.TemporaryDirectory() as folder, Engine(IN_PROCESS, [Crew(1)], None) as engine:
        place = output_at(output or folder)
        found = find(str(source), place, engine.answers, lambda done, of: None, follow_links=False)
        rows = [row for cell in index.parts(place, index.SERIES)
                for row in index.read_part(place, index.SERIES, cell, series_schema()).to_pylist()]  # fmt: skip
    return Listed(tuple(series_of(row) for row in sorted(rows, key=size_order)), found)
