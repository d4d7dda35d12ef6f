"""Rate-limits warnings that peers can cause, so that no peer can fill a log."""

import logging
import threading
import time

EVERY_S = 60.0


class Seldom:
    """Logs at most one warning of each kind a minute, with the number of suppressed ones.

    Thread-safety: may be called from many threads at once.
    """

    def __init__(self, log: logging.Logger) -> None:
        """Warns through `log`."""
        self._log = log
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        self._lock = threading.Lock()

    def warn(self, kind: str, detail: str = "", error: BaseException | None = None) -> None:
        """Logs a warning. `kind` is a constant; `detail` and `error` never contain what a peer sent."""
        now = time.monotonic()
        with self._lock:
            if kind in self._last and now - self._last[kind] < EVERY_S:
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return
            self._last[kind] = now
            count = self._left_out.pop(kind, 0)
        more = f" ({count} more before)" if count else ""
        self._log.warning("%s%s%s", kind, f": {detail}" if detail else "", more, exc_info=error)
