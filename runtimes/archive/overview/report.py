"""The page of an output folder, during a run or after it."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from miniseg_edge.errors import OutputExistsError
from miniseg_edge.host.files import replace_file
from miniseg_edge.runtimes.archive.overview.page import html_from_tally
from miniseg_edge.runtimes.archive.overview.tally import tally_of
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.storage.output import Output, output_at
from miniseg_edge.runtimes.archive.table import DIGITS, rows_of_digit

_OURS = b"<title>MiniSeg Edge archive: "
_HEAD_BYTES = 4096


def write_report(output: str | os.PathLike[str], file: str | os.PathLike[str]) -> None:
    """Writes the page of an output folder. A sixteenth of its rows are in memory at a time.

    Args:
        output: the output folder, or its URL.
        file: of the page; one of ours is replaced.

    Raises:
        OutputExistsError: the file is something else. OutputError: it cannot be written.
        IntegrityError: the table of rows is damaged. MissingDependencyError: the extra `scale` is not installed.
    """
    place, file = output_at(output), Path(file)
    check_report(file)
    replace_file(file, html_from_tally(tally_of(_rows(place)), PurePath(place.label()).name).encode())


def check_report(file: Path) -> None:
    """Refuses to replace what is not such a page. Raises: OutputExistsError."""
    if not file.exists():
        return
    if file.is_file():
        with file.open("rb") as opened:
            if _OURS in opened.read(_HEAD_BYTES):
                return
    raise OutputExistsError(
        f"{file} exists", expected="a new file, or the page of an archive", remedy="Choose another --report."
    )


def _rows(output: Output) -> Iterator[Row]:
    for digit in DIGITS:
        yield from rows_of_digit(output, digit).values()
