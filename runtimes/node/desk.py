"""The series in progress: each series of the spool with its stage, and when it advances."""

import enum
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import IntegrityError, LateSlicesError, MiniSegError, OutputError
from miniseg_edge.runtimes.node.keeping.records import DONE, FAILED, SKIPPED, Answered, End
from miniseg_edge.runtimes.node.keeping.series_folder import Round, SeriesFolder
from miniseg_edge.runtimes.node.keeping.spool import Spool, bytes_below

ANNOUNCED_QUIET_S = 1.0
"""A series may have several acquisitions with different numbers: another one may still arrive."""

_logger = logger_of(__name__)


def _nothing_comes() -> float:
    return 0.0


class Stage(enum.Enum):
    """Of a series."""

    RECEIVING = "receiving"
    WAITING = "waiting"
    DRAWING = "drawing"
    SENDING = "sending"
    RESTING = "resting"


@dataclass(eq=False)
class Case:
    """A series known to the node: what is on disk, and what only a running node needs.

    Attributes:
        folder: in the spool.
        stage: what is currently done with it.
        images: keys of all images that were acknowledged.
        arrived_s: when the last of them arrived, or the node started (monotonic).
        received: number of received objects, duplicates included.
        announced: number of images according to the sender; None if unknown.
        still_comes: when the last byte arrived on the association that brings it, while an object is in transfer.
        round: the current round; None while images are received.
        last_image_s: when the last image of the current round arrived (or the node started).
        last_round: the last round that ended in this process.
        rested_s: since when it waits for late slices.
        tries: segmentation attempts in this process.
    """

    folder: SeriesFolder
    stage: Stage
    images: set[str]
    arrived_s: float
    received: int = 0
    announced: int | None = None
    still_comes: Callable[[], float] = _nothing_comes
    round: Round | None = None
    last_image_s: float = 0.0
    last_round: Round | None = None
    rested_s: float = 0.0
    tries: int = 0

    @property
    def key(self) -> str:
        """The series' name in logs."""
        return self.folder.key


class Desk:
    """All cases.

    Thread-safety: all methods may be called from many threads at once. A case's files are changed under
    `Spool.lock_of`, its entry here under the desk's own lock, which is never held while waiting for the former.
    """

    def __init__(self, spool: Spool, most: int, wait_s: float, late_s: float, *, keep: bool) -> None:
        """Has nothing in work yet.

        Args:
            spool: of the images.
            most: maximum number of series in progress or waiting.
            wait_s: idle time after which a series is complete.
            late_s: how long images are kept after the answer, for late slices.
            keep: keep them permanently.
        """
        self.to_draw: queue.Queue[Case] = queue.Queue()
        self.on_drawn: Callable[[Case], None] = lambda case: None
        self.on_end: Callable[[Case, End], None] = lambda case, end: None
        self._spool, self._most = spool, most
        self._wait_s, self._late_s, self._keep = wait_s, late_s, keep
        self._cases: dict[str, Case] = {}
        self._lock = threading.Lock()

    def resume(self) -> None:
        """Resumes where a node stopped. Raises: OutputError, OSError."""
        for key in self._spool.series_keys():
            try:
                case = self._opened(key)
            except IntegrityError as error:  # somebody changed it; one bad series never stops the node
                self._folder(key).say_why(error)
                self._spool.bury(key)
                _logger.error("series %s: %s", key, error.code)
                continue
            if case is None:
                continue
            self._cases[key] = case
            if case.stage is Stage.WAITING:
                self._hand_out(case)
            elif case.stage is Stage.SENDING:
                self.on_drawn(case)

    def case(self, key: str) -> Case | None:
        """A series' case, created if unknown; None if there is no room. Under the series' lock."""
        with self._lock:
            found = self._cases.get(key)
            if found is not None:
                return found
            if sum(one.stage is not Stage.RESTING for one in self._cases.values()) >= self._most:
                return None
        if self._spool.revive(key):
            _logger.info("series %s: comes back from the dead letters", key)
        folder = self._folder(key)
        folder.take_back_reason()
        opened = Case(folder, Stage.RECEIVING, set(folder.images()), time.monotonic())
        with self._lock:
            self._cases[key] = opened
        return opened

    def arrived(self, case: Case, image: str | None, announced: int | None, still_comes: Callable[[], float]) -> None:
        """An image arrived in the folder, or (None) was already there. Under the series' lock."""
        with self._lock:
            case.received += 1
            case.announced = announced if announced is not None else case.announced
            case.still_comes = still_comes
            if image is None:
                return
            case.images.add(image)
            case.arrived_s = time.monotonic()
            if case.stage is Stage.RESTING:
                case.stage = Stage.RECEIVING

    def tick(self) -> None:
        """Advances complete series, and releases answered ones."""
        with self._lock:
            cases = list(self._cases.values())
        for case in cases:
            try:
                if case.stage is Stage.RECEIVING and self._is_complete(case):
                    self._begin(case)
                elif case.stage is Stage.RESTING and time.monotonic() - case.rested_s >= self._late_s:
                    self._retire(case)
            except (MiniSegError, OSError) as error:
                code = error.code if isinstance(error, MiniSegError) else OutputError.code
                _logger.error("series %s: %s; tried again", case.key, code)
                case.arrived_s = case.rested_s = time.monotonic()

    def draws(self, case: Case) -> None:
        """A worker has it."""
        with self._lock:
            case.stage = Stage.DRAWING

    def draw_again(self, case: Case) -> None:
        """It failed for a reason that may be temporary."""
        with self._lock:
            case.stage = Stage.WAITING
        self.to_draw.put(case)

    def drawn(self, case: Case) -> None:
        """Its results are written."""
        assert case.round is not None  # noqa: S101  what was drawn has a round
        self._spool.counted(bytes_below(case.round.results))
        with self._lock:
            case.stage = Stage.SENDING
        self.on_drawn(case)

    def failed(self, case: Case, error: MiniSegError) -> None:
        """Ends its round as a dead letter. Raises: OutputError, OSError."""
        self._ended(case, End(FAILED, error.code, str(error)), error)

    def skipped(self, case: Case, error: MiniSegError) -> None:
        """It contained nothing to segment. Raises: OutputError, OSError."""
        self._ended(case, End(SKIPPED, error.code, str(error)), error)

    def sent(self, case: Case) -> None:
        """Every archive has its results. Raises: OutputError, OSError."""
        self._ended(case, End(DONE, "", ""), None)

    def stages(self) -> Counter[str]:
        """Number of series per stage."""
        with self._lock:
            return Counter(case.stage.value for case in self._cases.values())

    def is_idle(self) -> bool:
        """Whether every series is answered."""
        with self._lock:
            return all(case.stage is Stage.RESTING for case in self._cases.values())

    def _folder(self, key: str) -> SeriesFolder:
        return SeriesFolder(self._spool.series / key)

    def _opened(self, key: str) -> Case | None:
        """A case from its folder; None, and moved away, if its last round failed and nothing arrived since."""
        folder, now_s = self._folder(key), time.monotonic()
        case = Case(folder, Stage.RECEIVING, set(folder.images()), now_s, rested_s=now_s)
        rounds = folder.rounds()
        if not rounds:
            return case
        end, taken, case.last_image_s = rounds[-1].end(), rounds[-1].taken(), now_s
        if end is None:
            case.round = rounds[-1]
            case.stage = Stage.WAITING if rounds[-1].drawn() is None else Stage.SENDING
        elif taken is not None and case.images == set(taken.images):
            if end.status == DONE:
                case.stage = Stage.RESTING
            elif end.status == FAILED:
                folder.restate(end)
                self._spool.bury(key)
                return None
            else:
                self._spool.discard(folder.folder)
                return None
        return case

    def _is_complete(self, case: Case) -> bool:
        quiet_s = time.monotonic() - max(case.arrived_s, case.still_comes())
        if case.announced is not None and len(case.images) >= case.announced and quiet_s >= ANNOUNCED_QUIET_S:
            return True
        return bool(case.images) and quiet_s >= self._wait_s

    def _begin(self, case: Case) -> None:
        with self._spool.lock_of(case.key):
            history = self._spool.answered(case.key)
            replaces = case.folder.last_results()
            if not replaces and history is not None and set(history.images) != case.images:
                replaces = history.results
            found = case.folder.begin_round(replaces)
            with self._lock:
                case.round, case.tries, case.last_image_s = found, 0, case.arrived_s
                case.still_comes = _nothing_comes  # and with it the association that brought the images
                case.stage = Stage.WAITING
        self._hand_out(case)

    def _hand_out(self, case: Case) -> None:
        """Passes it to the workers, unless the result would only cover late slices. Raises: OutputError, OSError."""
        history = self._spool.answered(case.key)
        taken = None if case.round is None else case.round.taken()
        have = set() if taken is None else set(taken.images)
        if history is None or not (missing := len(set(history.images) - have)):
            self.to_draw.put(case)
            return
        self.failed(case, LateSlicesError(
            "late slices of a series that was answered and deleted", expected="the whole series",
            got=f"{missing} slices fewer", remedy="Send the whole series again, or keep images longer (--late).",
        ))  # fmt: skip

    def _ended(self, case: Case, end: End, error: MiniSegError | None) -> None:
        with self._spool.lock_of(case.key):
            assert case.round is not None  # noqa: S101  only rounds end
            taken = case.round.taken()
            case.round.finish(end)
            all_there = taken is not None and set(taken.images) == case.images
            if all_there and end.status != DONE:
                if error is not None and end.status == FAILED:
                    case.folder.say_why(error)
                    self._spool.bury(case.key)
                else:
                    self._spool.discard(case.folder.folder)
                with self._lock:
                    del self._cases[case.key]
            else:
                with self._lock:
                    case.last_round, case.round, case.rested_s = case.round, None, time.monotonic()
                    case.stage = Stage.RESTING if all_there else Stage.RECEIVING
        self.on_end(case, end)

    def _retire(self, case: Case) -> None:
        with self._spool.lock_of(case.key):
            if case.stage is not Stage.RESTING:  # a late slice arrived at this very moment
                return
            results = case.folder.last_results()
            self._spool.retire(case.key, Answered(0, tuple(sorted(case.images)), results), keep=self._keep)
            with self._lock:
                del self._cases[case.key]
