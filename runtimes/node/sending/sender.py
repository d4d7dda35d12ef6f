"""One thread per archive: sends results, waits longer after each failure, and finally gives up."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import MiniSegError, NotCommittedError, OutputError, SendError, SendRefusedError
from miniseg_edge.runtimes.node.desk import Case
from miniseg_edge.runtimes.node.keeping.records import ResultObject
from miniseg_edge.runtimes.node.keeping.series_folder import Round
from miniseg_edge.runtimes.node.sending.archive import Archive, Outgoing
from miniseg_edge.runtimes.node.sending.confirmations import Confirmations

Commitment = Literal["auto", "off", "required"]
COMMITMENTS: tuple[Commitment, ...] = ("auto", "off", "required")

_LOOK_S = 0.1
_logger = logger_of(__name__)


@dataclass(frozen=True)
class Patience:
    """How long sending to an archive is retried.

    Attributes:
        tries: for one series' results.
        first_s: before the second try; doubled each time.
        longest_s: maximum between two tries.
        commitment: "auto" requests a confirmation if it is offered, and continues without one after `asks`; with
            "required", unconfirmed results become dead letters.
        confirm_s: maximum wait for a confirmation before it is requested again.
        asks: for one series.
    """

    tries: int = 100
    first_s: float = 1.0
    longest_s: float = 600.0
    commitment: Commitment = "auto"
    confirm_s: float = 60.0
    asks: int = 3

    def pause_s(self, tries: int) -> float:
        """Seconds until the next try, after so many failed ones in a row."""
        return min(self.longest_s, self.first_s * 2.0 ** min(tries - 1, 40))


@dataclass(eq=False)
class _Letter:
    """A case's round for one archive."""

    case: Case
    round: Round
    tries: int = 0
    asks: int = 0
    transaction: str = ""
    asked_s: float = 0.0


class Sender:
    """Sends to one archive. Thread-safety: `put` may be called from many threads at once."""

    def __init__(
        self,
        archive: Archive,
        *,
        confirmations: Confirmations,
        patience: Patience,
        delivered: Callable[[Case], None],
        failed: Callable[[Case, MiniSegError], None],
        counted: Callable[[str, str, int], None],
    ) -> None:
        """Sends nothing yet.

        Args:
            archive: where to.
            confirmations: outstanding confirmations of archives.
            patience: with it.
            delivered: called when the archive has everything of a case.
            failed: called when sending is abandoned.
            counted: called with the archive's name, a code ("" for success) and a number of objects.
        """
        self.archive = archive
        self._confirmations, self._patience = confirmations, patience
        self._delivered, self._failed, self._counted = delivered, failed, counted
        self._letters: deque[_Letter] = deque()
        self._asked: list[_Letter] = []
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._shut_until_s, self._failures = 0.0, 0
        self._thread = threading.Thread(target=self._run, name=f"miniseg-send-{archive.key[:8]}", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self, patience_s: float) -> None:
        """Ends after the current object."""
        self._stopping.set()
        self._thread.join(patience_s)

    def put(self, case: Case) -> None:
        """Enqueues a case's results."""
        assert case.round is not None  # noqa: S101  what is drawn has a round
        with self._lock:
            self._letters.append(_Letter(case, case.round))

    def __len__(self) -> int:
        with self._lock:
            return len(self._letters) + len(self._asked)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look_at_confirmations()
            except Exception as error:  # it is looked at again
                _logger.error("confirmations of %s: %s", self.archive.name, type(error).__name__)
            letter = self._next()
            if letter is None:
                self._stopping.wait(_LOOK_S)
                continue
            try:
                self._send(letter)
            except (OutputError, OSError) as error:  # the spool's disk
                _log_fault(letter.case, error)
                self._stopping.wait(self._patience.first_s)
                self._again(letter)
            except Exception as error:  # no answer of an archive ends the sender
                self._trouble(
                    letter,
                    SendError("an unexpected error occurred", because=type(error).__name__),
                )

    def _next(self) -> _Letter | None:
        if time.monotonic() < self._shut_until_s:
            return None
        with self._lock:
            return self._letters.popleft() if self._letters else None

    def _again(self, letter: _Letter) -> None:
        with self._lock:
            self._letters.append(letter)

    def _send(self, letter: _Letter) -> None:
        if letter.round.is_delivered(self.archive.key):  # a killed node had not recorded that this was the last
            self._delivered(letter.case)
            return
        drawn = letter.round.drawn()
        made = () if drawn is None else drawn.objects
        left = [one for one in made if not letter.round.is_sent(self.archive.key, one.file)]
        try:
            if left:
                self._store(letter, left)
            if self._patience.commitment != "off" and self._asks(letter, made):
                return
        except (SendRefusedError, NotCommittedError) as error:
            self._counted(self.archive.name, error.code, 1)
            self._failed(letter.case, error)
            return
        except SendError as error:
            self._trouble(letter, error)
            return
        self._failures = 0
        self._deliver(letter)

    def _store(self, letter: _Letter, left: list[ResultObject]) -> None:
        def stored(one: Outgoing) -> None:
            letter.round.mark_sent(self.archive.key, one.made.file)
            self._counted(self.archive.name, "", 1)

        self.archive.store([Outgoing(letter.round.results / one.file, one) for one in left], stored)

    def _deliver(self, letter: _Letter) -> None:
        letter.round.mark_delivered(self.archive.key)
        self._delivered(letter.case)

    def _trouble(self, letter: _Letter, error: SendError) -> None:
        """Pauses the archive, and moves this series behind the others."""
        letter.tries += 1
        self._failures += 1
        self._counted(self.archive.name, error.code, 1)
        if letter.tries >= self._patience.tries:
            self._failed(letter.case, error)
            return
        pause_s = self._patience.pause_s(self._failures)
        self._shut_until_s = time.monotonic() + pause_s
        _logger.warning("series %s: %s; tried again in %.0f s", letter.case.key, error, pause_s)
        self._again(letter)

    def _asks(self, letter: _Letter, made: tuple[ResultObject, ...]) -> bool:
        """Requests a confirmation; returns whether to wait for one. Raises: SendError, NotCommittedError."""
        transaction = f"2.25.{uuid.uuid4().int}"
        self._confirmations.expect(transaction)
        offered = self.archive.ask_to_keep([one.reference for one in made], transaction)
        if not offered:
            self._confirmations.forget(transaction)
            if self._patience.commitment == "required":
                raise _not_committed(self.archive.name, "no storage commitment offered")
            return False
        letter.asks += 1
        letter.transaction, letter.asked_s = transaction, time.monotonic()
        with self._lock:
            self._asked.append(letter)
        return True

    def _look_at_confirmations(self) -> None:
        with self._lock:
            asked = list(self._asked)
        for letter in asked:
            answer = self._confirmations.answer(letter.transaction)
            is_late = time.monotonic() - letter.asked_s >= self._patience.confirm_s
            if answer == "open" and not is_late:
                continue
            self._confirmations.forget(letter.transaction)
            with self._lock:
                self._asked.remove(letter)
            try:
                self._answered(letter, answer)
            except (OutputError, OSError) as error:
                _log_fault(letter.case, error)
                self._again(letter)

    def _answered(self, letter: _Letter, answer: str) -> None:
        if answer == "kept":
            self._failures = 0
            self._deliver(letter)
            return
        if answer == "lost":
            letter.round.unmark_sent(self.archive.key)
        if letter.asks < self._patience.asks:
            self._again(letter)
        elif answer == "open" and self._patience.commitment == "auto":
            _logger.warning("series %s: %s took it and does not confirm it", letter.case.key, self.archive.name)
            self._deliver(letter)
        else:
            error = _not_committed(self.archive.name, "none" if answer == "open" else "the archive lost it")
            self._counted(self.archive.name, error.code, 1)
            self._failed(letter.case, error)


def _not_committed(name: str, got: str) -> NotCommittedError:
    return NotCommittedError(f"{name} did not confirm that it stored a result", expected="a confirmation", got=got)


def _log_fault(case: Case, error: OutputError | OSError) -> None:
    """Of the spool's disk."""
    what = error if isinstance(error, OutputError) else f"{OutputError.code}: {error.strerror}"
    _logger.error("series %s: %s; tried again", case.key, what)
