"""A process of its own for whatever answers messages, a worker or a finder, and the driver's side of it."""

import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any, BinaryIO, Protocol

from miniseg_edge.errors import DeviceLostError, MiniSegError, WorkerDiedError
from miniseg_edge.host.children import python_command

LOST_EXIT_CODE = 70

_READY = "ready"
_LAST_WORDS_BYTES = 2000


class Answering(Protocol):
    """What works in a process: it is sent there, and may rebuild itself by its `__reduce__`."""

    def __call__(self, message: Any, /) -> Any:
        """An answer, anything but None."""

    def leave(self) -> None:
        """The process ends after this, perhaps in the middle of an answer; called by another thread."""


class AnsweringProcess:
    """A process as its driver has it. Thread-safety: none; one message at a time."""

    def __init__(self, answering: Answering) -> None:
        """Starts it. Raises: WorkerDiedError, if it does not come up."""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(  # noqa: S603  this module
            python_command(__name__), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
        )
        if not self._sent(answering) or self._received() != _READY:
            last_words = self._last_words()
            self.close()
            raise WorkerDiedError("a worker's process cannot be started", because=last_words)

    def ask(self, message: object) -> Any:
        """The answer, or None: the process has died of it, or before it. Raises: as what answers."""
        answer = self._received() if self._sent(message) else None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        """Ends it; may be called twice."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()  # which it takes as the end of its work
                except BrokenPipeError:
                    continue
        self._process.wait()
        self._said.close()

    def _sent(self, message: object) -> bool:
        assert self._process.stdin is not None  # noqa: S101
        try:
            _send(message, self._process.stdin)
        except OSError:  # the reader is gone
            return False
        return True

    def _received(self) -> Any:
        assert self._process.stdout is not None  # noqa: S101
        try:
            return pickle.load(self._process.stdout)  # noqa: S301  our own child's
        except (EOFError, pickle.UnpicklingError):  # it died, perhaps in the middle of its answer
            return None

    def _last_words(self) -> str:
        self._process.wait()
        self._said.seek(0)
        lines = self._said.read()[-_LAST_WORDS_BYTES:].decode("utf-8", "replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), f"exit code {self._process.returncode}")


def main() -> None:
    """The worker's side: processes requests on standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is not an answer
    answering: Answering = pickle.load(sys.stdin.buffer)  # noqa: S301  our own driver's
    waiting: queue.SimpleQueue[object] = queue.SimpleQueue()
    threading.Thread(
        target=_listen, args=(sys.stdin.buffer, waiting, answering), name="miniseg-driver", daemon=True
    ).start()
    _send(_READY, answers)
    while True:
        _send(_answer(answering, waiting.get()), answers)


def _listen(driver: BinaryIO, waiting: "queue.SimpleQueue[object]", answering: Answering) -> None:
    """Ends the process with its driver, which cannot stop it after a kill."""
    while True:
        try:
            waiting.put(pickle.load(driver))  # noqa: S301  our own driver's
        except (EOFError, pickle.UnpicklingError):
            try:
                answering.leave()
            finally:
                os._exit(0)


def _answer(answering: Answering, message: object) -> object:
    try:
        return answering(message)
    except DeviceLostError:
        os._exit(LOST_EXIT_CODE)  # another process can use the GPU again
    except (MiniSegError, OSError) as error:
        return error
    except Exception as error:
        return MiniSegError("an unexpected error", because=type(error).__name__)


def _send(message: object, stream: Any) -> None:
    pickle.dump(message, stream)
    stream.flush()
