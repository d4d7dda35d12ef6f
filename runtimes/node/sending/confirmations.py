"""Outstanding confirmations (storage commitment): requested with a transaction's UID, and answered with it."""

import threading
from typing import Literal

Answer = Literal["open", "kept", "lost"]


class Confirmations:
    """Transactions of this process; a new node repeats the requests of a killed one.

    Thread-safety: all methods may be called from many threads at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, Answer] = {}

    def expect(self, transaction_uid: str) -> None:
        """From now on an answer is expected, even before the archive has accepted the request."""
        with self._lock:
            self._answers[transaction_uid] = "open"

    def came(self, transaction_uid: str, *, kept: bool) -> bool:
        """Records an archive's answer; returns whether it was expected."""
        with self._lock:
            if transaction_uid not in self._answers:
                return False
            self._answers[transaction_uid] = "kept" if kept else "lost"
            return True

    def answer(self, transaction_uid: str) -> Answer:
        """What is known."""
        with self._lock:
            return self._answers.get(transaction_uid, "open")

    def forget(self, transaction_uid: str) -> None:
        """The answer is not awaited any more."""
        with self._lock:
            self._answers.pop(transaction_uid, None)
