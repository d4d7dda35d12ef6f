"""The results of a search so far, saved after every step, so that an interrupted search resumes where it stopped."""

from dataclasses import dataclass, field
from pathlib import Path

from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.export.choosing.turns import Turn
from miniseg_edge.host.files import bytes_from_file, replace_file

_MAX_BYTES = 2**22


@dataclass(frozen=True)
class Verdict:
    """The verdict on a set of groups, against FP32: Dice, noise in grey levels, and the violated limits."""

    dice_mean: float
    dice_worst: float
    noise: float
    failures: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    groups: tuple[str, ...]
    verdict: Verdict


@dataclass(frozen=True)
class _Content:
    """The file: the search's identity, its verdicts, and its rounds of timings, FP32 first."""

    fingerprint: str
    entries: tuple[_Entry, ...] = ()
    rounds: tuple[tuple[Turn, ...], ...] = ()


@dataclass
class Journal:
    """One search's journal.

    Attributes:
        path: of the file.
        fingerprint: of everything that the search depends on; another search's journal is not used.
    """

    path: Path
    fingerprint: str
    _content: _Content = field(init=False)

    @classmethod
    def at(cls, path: Path, fingerprint: str) -> "Journal":
        """Opens the journal of this search if there is one, or creates it."""
        journal = cls(path, fingerprint)
        journal._content = _Content(fingerprint)
        if path.exists():
            try:
                found = object_from_json(bytes_from_file(path, _MAX_BYTES, UsageError), path.name, UsageError)
                content = record_from_object(_Content, found, path.name, UsageError)
            except UsageError as error:
                terminal.warn(f"the search starts over: {error}")
            else:
                if content.fingerprint == fingerprint:
                    journal._content = content
                    terminal.say(f"resuming the search in {path}: {len(content.entries)} sets are judged")
        return journal

    @property
    def rounds(self) -> tuple[tuple[Turn, ...], ...]:
        """The rounds of timings so far."""
        return self._content.rounds

    def verdict(self, groups: tuple[str, ...]) -> Verdict | None:
        """What is known of a set."""
        return next((entry.verdict for entry in self._content.entries if entry.groups == groups), None)

    def keep_verdict(self, groups: tuple[str, ...], verdict: Verdict) -> None:
        """Saves a verdict. Raises: OutputError."""
        content = self._content
        self._keep(_Content(content.fingerprint, (*content.entries, _Entry(groups, verdict)), content.rounds))

    def keep_round(self, taken: tuple[Turn, ...]) -> None:
        """Saves a round. Raises: OutputError."""
        content = self._content
        self._keep(_Content(content.fingerprint, content.entries, (*content.rounds, taken)))

    def forget_rounds(self) -> None:
        """Only keeps what is valid on every machine, so that the next search measures again. Raises: OutputError."""
        self._keep(_Content(self._content.fingerprint, self._content.entries))

    def close(self) -> None:
        """Deletes the file: the search is done."""
        self.path.unlink(missing_ok=True)

    def _keep(self, content: _Content) -> None:
        self._content = content
        replace_file(self.path, json_from_record(content).encode())
