"""Archives: any number of series through workers that each hold an opened Segmenter, here or on Ray.

A series is the unit. Whatever runs the workers, `worker.Worker.process` makes a series' results and commits them, so
results do not depend on it; the driver finds the series, hands them out and keeps the table of rows.
"""

from miniseg_edge.runtimes.archive.run import ArchiveReport, segment_archive
from miniseg_edge.runtimes.archive.work import Crew

__all__ = ["ArchiveReport", "Crew", "segment_archive"]
