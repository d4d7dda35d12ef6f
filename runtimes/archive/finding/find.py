"""The driver's side of finding: one step after the other, each in tasks, and counts of what they came to."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from miniseg_edge.runtimes.archive.finding import index
from miniseg_edge.runtimes.archive.finding.finder import GROUP, LIST, READ, SETTLE, Done, Finder, Step, Task
from miniseg_edge.runtimes.archive.finding.records import CELLS
from miniseg_edge.runtimes.archive.storage.folder_output import SCRATCH
from miniseg_edge.runtimes.archive.storage.output import Output

BETWEEN = f"{SCRATCH}/finding"
"""Folder in the output for what goes from one step to the next; it goes in the end."""

RECORDS_A_TASK = 2000
"""Fewer are not worth a task of their own."""

Mapped = Callable[[Finder, Sequence[Task]], Iterator[Done]]
"""Does tasks, with whatever workers there are; answers in any order."""


@dataclass(frozen=True)
class Found:
    """What an archive holds; the series themselves are in the index.

    Attributes:
        series: how many.
        files: that were listed.
        read: of those, whose headers were read now; of the others an earlier run knew all.
        other_files: that belong to no series.
        links_out: links out of the archive, to files and folders, which are not followed.
    """

    series: int
    files: int
    read: int
    other_files: int
    links_out: int


def find(
    source: str,
    output: Output,
    mapped: Mapped,
    progress: Callable[[int, int], None],
    *,
    follow_links: bool,
) -> Found:
    """Finds the series, and writes the index.

    Args:
        source: path or URL.
        output: for the index.
        mapped: who does the tasks.
        progress: files that are done, of how many.
        follow_links: as for `source_at`.

    Raises:
        InputError: the source cannot be listed; StorageError: it does not answer; OutputError, OSError;
            MissingDependencyError: an extra is not installed.
    """
    finder = Finder(source, follow_links, output, BETWEEN)
    output.clear(BETWEEN)
    try:
        counts, links_out = _list(finder, mapped, progress)
        files = counts.total()
        index.keep_parts(output, index.FILES, counts)
        read = others = done = 0
        by_folder, by_series, series = Counter[int](), Counter[int](), Counter[int]()
        for answer in mapped(finder, _tasks(READ, counts)):
            by_folder += answer.counts
            read, done = read + answer.read, done + answer.counts.total()
            progress(done, files)
        output.clear(f"{BETWEEN}/{LIST}")
        for answer in mapped(finder, _tasks(SETTLE, by_folder)):
            by_series += answer.counts
            others += answer.other_files
        output.clear(f"{BETWEEN}/{READ}")
        for answer in mapped(finder, _tasks(GROUP, by_series)):
            series += answer.counts
        index.keep_parts(output, index.SERIES, series)
    finally:
        output.clear(BETWEEN)
    return Found(series.total(), files, read, others, links_out)


def _list(finder: Finder, mapped: Mapped, progress: Callable[[int, int], None]) -> tuple[Counter[int], int]:
    """Round by round: what tasks leave of their folders is shared out again, so that no large one keeps all waiting."""
    counts, links_out, number = Counter[int](), 0, 0
    left: list[str] = [""]
    while left:
        share = max(1, -(-len(left) // CELLS))
        tasks = [
            Task(LIST, number + index, folders=tuple(left[start : start + share]))
            for index, start in enumerate(range(0, len(left), share))
        ]
        number, left = number + len(tasks), []
        for answer in mapped(finder, tasks):
            counts += answer.counts
            links_out += answer.links_out
            left += answer.folders
            progress(0, counts.total())
    return counts, links_out


def _tasks(step: Step, counts: Counter[int]) -> list[Task]:
    """Neighbouring cells together, until they are worth a task; cells without records belong to no task."""
    tasks, start, records = list[Task](), 0, 0
    for cell in range(CELLS):
        records += counts[cell]
        if records >= RECORDS_A_TASK or (cell == CELLS - 1 and records):
            tasks.append(Task(step, len(tasks), (start, cell + 1), records=records))
            start, records = cell + 1, 0
    return tasks
