"""The state of a run as text: how far, how fast, what failed."""

import time
from datetime import timedelta

from miniseg_edge.runtimes.archive.overview.tally import Tally
from miniseg_edge.runtimes.archive.row import FAILED, Row

MOST_COLUMNS = 80
_UNITS = {"finding": "files", "comparing": "parts"}
"""What the phases count; segmenting counts series, and its rate is in slices."""


class RunState:
    """Takes rows and progress. Thread-safety: none.

    Attributes:
        tally: of the rows of this run.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self._what, self._done, self._of, self._start_s = "", 0, 0, 0.0

    def seen(self, row: Row) -> None:
        """Takes a row."""
        self.tally.add(row)

    def reached(self, what: str, done: int, of: int) -> bool:
        """Takes progress; whether a phase begins with it."""
        begins = what != self._what
        if begins:
            self._what, self._start_s = what, time.monotonic()
        self._done, self._of = done, of
        return begins

    @property
    def note(self) -> str:
        """Rate and failures."""
        unit = _UNITS.get(self._what, "slices")
        count = self._done if self._what in _UNITS else self.tally.slices
        failed = {code: count for (status, code), count in self.tally.codes.most_common() if status == FAILED}
        said = f", {sum(failed.values()):,} failed: " if failed else ""
        codes = ", ".join(f"{code} {count:,}" for code, count in failed.items())
        return f"{count / max(self._elapsed_s, 1e-3):,.1f} {unit}/s{said}{codes}"

    @property
    def line(self) -> str:
        """All of it in at most `MOST_COLUMNS`."""
        left = f", {timedelta(seconds=round(self._left_s))} left" if self._done else ""
        text = f"{self._what} {self._done:,} of {self._of:,}{left}, {self.note}"
        return text if len(text) <= MOST_COLUMNS else f"{text[: MOST_COLUMNS - 3]}..."

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._start_s

    @property
    def _left_s(self) -> float:
        return self._elapsed_s / self._done * (self._of - self._done)
