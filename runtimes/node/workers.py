"""Threads that segment series one after the other, and the handling of failures."""

import queue
import threading
from collections.abc import Callable

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import (
    CancelledError,
    DeviceLostError,
    HostLimitError,
    InferenceError,
    MiniSegError,
    NoImagesError,
    OutputError,
    WorkerDiedError,
    WrongModalityError,
)
from miniseg_edge.runtimes.node.desk import Case, Desk
from miniseg_edge.runtimes.node.drawing import Drawing, draw
from miniseg_edge.runtimes.node.keeping.records import Drawn
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.study.failure import failure_of

TRIES = 3
"""Attempts per process at a series whose failure may be the machine's."""

DEATHS = 10
"""Number of processes that may die on a series, or be killed during it, before it is abandoned."""

AGAIN_S = 2.0
_LOOK_S = 0.2

_NOTHING_TO_SEGMENT = (WrongModalityError, NoImagesError)
_MAY_PASS = (InferenceError, HostLimitError, OutputError)

_logger = logger_of(__name__)


class Workers:
    """Threads that segment what the desk hands out.

    Thread-safety: one thread calls `start` and `stop`.
    """

    def __init__(self, desk: Desk, segmenter: Segmenter, drawing: Drawing, count: int) -> None:
        self.on_drawn: Callable[[Drawn], None] = lambda drawn: None
        self.fatal: MiniSegError | None = None
        self._desk, self._segmenter, self._drawing = desk, segmenter, drawing
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"miniseg-draw-{n}", daemon=True) for n in range(count)
        ]

    def start(self) -> None:
        """Begins."""
        for thread in self._threads:
            thread.start()

    def stop(self, patience_s: float) -> None:
        """Ends after the current slices; the next node segments the series again."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(patience_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                case = self._desk.to_draw.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            try:
                self._draw(case)
            except (OutputError, OSError) as error:  # not even the failure could be recorded
                _logger.error("series %s: %s; tried again", case.key, failure_of(error).code)
                self._stopping.wait(AGAIN_S)
                self._desk.draw_again(case)
            except Exception as error:  # this node ends, and the next one resumes
                self.fatal = failure_of(error)
                return

    def _draw(self, case: Case) -> None:
        found = case.round
        assert found is not None  # noqa: S101  what is to be drawn has a round
        self._desk.draws(case)
        case.tries += 1
        if found.attempt() > DEATHS:
            self._desk.failed(
                case,
                WorkerDiedError(
                    "this series crashed the node", expected="a worker that survives", got=f"{DEATHS} that died"
                ),
            )
            return
        try:
            drawn = draw(case.folder, found, self._segmenter, self._drawing, self._stopping.is_set)
        except CancelledError:
            found.forget_attempts()
        except DeviceLostError:
            raise
        except _NOTHING_TO_SEGMENT as error:
            self._desk.skipped(case, error)
        except Exception as error:  # one bad series never stops the node
            found.forget_attempts()
            self._failed(case, failure_of(error))
        else:
            found.forget_attempts()
            self.on_drawn(drawn)
            self._desk.drawn(case)

    def _failed(self, case: Case, error: MiniSegError) -> None:
        if isinstance(error, _MAY_PASS) and case.tries < TRIES:
            _logger.warning("series %s: %s; tried again", case.key, error.code)
            self._stopping.wait(AGAIN_S)
            self._desk.draw_again(case)
            return
        self._desk.failed(case, error)
