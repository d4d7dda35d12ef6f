"""Archives: segments any number of series with workers that each have an opened Segmenter, here or on Ray.

The unit is a series. `worker.Worker.process` makes a series' results and commits them, whatever runs the workers, so
results do not depend on it. The driver finds the series, hands them out and maintains the table of rows.
"""

from miniseg_edge.runtimes.archive.bounds import Bounds
from miniseg_edge.runtimes.archive.run import ArchiveReport, segment_archive
from miniseg_edge.runtimes.archive.work import Crew

__all__ = ["ArchiveReport", "Bounds", "Crew", "segment_archive"]
