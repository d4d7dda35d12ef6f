"""Who may connect, and the responses: the node's side of every association."""

import contextlib
import logging
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from miniseg_edge.console.logs import logger_of
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.node.associations.closing import close_for_certain
from miniseg_edge.runtimes.node.associations.contexts import (
    COMMITMENT,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    decoded_syntaxes,
    other_classes,
    taken_classes,
)
from miniseg_edge.runtimes.node.associations.peers import Accepted
from miniseg_edge.runtimes.node.associations.reception import Reception
from miniseg_edge.runtimes.node.limits import NodeLimits
from miniseg_edge.runtimes.node.metrics import NodeMetrics
from miniseg_edge.runtimes.node.rules import IGNORE, Rules
from miniseg_edge.runtimes.node.sending.confirmations import Confirmations

REQUEST_S = 10.0
"""Seconds until a connection must have requested an association."""

_LIBRARY_LOGGERS = ("pynetdicom", "pydicom")
_SUCCESS, _PROCESSING_FAILURE = 0x0000, 0x0110
_ALL_KEPT = 1
_REJECTED = {"calling": (1, 1, 3), "called": (1, 1, 7)}
"""Permanent, by the service user: calling or called AE title not recognised."""

_logger = logger_of(__name__)


class Door:
    """Answers associations.

    Thread-safety: one thread calls `open` and `close`; the handlers run in pynetdicom's threads.
    """

    def __init__(
        self,
        title: str,
        peers: Sequence[Accepted],
        *,
        reception: Reception,
        confirmations: Confirmations,
        metrics: NodeMetrics,
        limits: NodeLimits,
        rules: Rules,
    ) -> None:
        """Is shut.

        Args:
            title: our AE title, by which callers must address us.
            peers: who may call; if empty, everybody who can reach us.
            reception: takes objects.
            confirmations: receives archives' confirmations.
            metrics: count.
            limits: of associations and objects.
            rules: which other objects are accepted and discarded.
        """
        self._title, self._peers, self._limits, self._rules = title, tuple(peers), limits, rules
        self._reception, self._confirmations, self._metrics = reception, confirmations, metrics
        self._server: Any = None
        require("pynetdicom", "node")  # whose modules import each other in a circle: only one thread may do that
        self._dataset: Callable[[], Any] = require("pydicom", "node").Dataset

    def open(self, host: str, port: int, tls: ssl.SSLContext | None, incoming: Path) -> int:
        """Starts accepting connections; returns the port. Raises: OSError, MissingDependencyError."""
        from miniseg_edge.runtimes.node.associations.server import GuardedServer

        pynetdicom, config = require("pynetdicom", "node"), require("pynetdicom._config", "node")
        events: Any = require("pynetdicom.events", "node")
        _hush()
        config.STORE_RECV_CHUNKED_DATASET = True  # type: ignore[attr-defined]
        tempfile.tempdir = str(incoming)  # where the library stores received objects: only in the spool
        ours: Any = pynetdicom.AE(self._title)
        ours.maximum_associations, ours.maximum_pdu_size = self._limits.associations, self._limits.pdu_bytes
        ours.acse_timeout, ours.dimse_timeout = REQUEST_S, self._limits.pdu_s
        ours.network_timeout = self._limits.idle_s
        ours.add_supported_context(VERIFICATION, [EXPLICIT, IMPLICIT])
        stored = list(taken_classes())
        if self._rules.other_classes == IGNORE:
            stored += other_classes(require("pynetdicom", "node").AllStoragePresentationContexts)
        for sop_class in stored:
            ours.add_supported_context(sop_class, decoded_syntaxes())
        ours.add_supported_context(COMMITMENT, [EXPLICIT, IMPLICIT], scu_role=True, scp_role=True)
        handlers = [
            (events.EVT_CONN_OPEN, close_for_certain),
            (events.EVT_REQUESTED, self._requested),
            (events.EVT_C_ECHO, lambda event: _SUCCESS),
            (events.EVT_C_STORE, self._store),
            (events.EVT_N_EVENT_REPORT, self.report),
            (events.EVT_DIMSE_SENT, lambda event: event.assoc.guard.answered()),
            (events.EVT_CONN_CLOSE, self._closed),
        ]
        self._server = ours.make_server(
            (host, port), ae_title=self._title, ssl_context=tls, evt_handlers=handlers, server_class=GuardedServer
        )
        self._server.limits, self._server.stored = self._limits, frozenset(stored)
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="miniseg-accept", daemon=True).start()
        return int(self._server.server_address[1])

    @property
    def associations(self) -> int:
        """Open associations, including connections that have not requested one yet."""
        return 0 if self._server is None else len(self._server.active_associations)

    def close(self, patience_s: float) -> None:
        """Accepts nothing new; objects in transfer have this many seconds."""
        if self._server is None:
            return
        end_s = time.monotonic() + patience_s
        self._server.stop_accepting()
        while self.associations and time.monotonic() < end_s:
            if all(
                not getattr(one, "guard", None) or not one.guard.receives for one in self._server.active_associations
            ):
                break
            time.sleep(0.02)
        for association in self._server.active_associations:
            association.abort()
        self._server.server_close()

    def report(self, event: Any) -> tuple[int, None]:
        """An archive confirms what it stored."""
        try:
            information = event.event_information
            known = self._confirmations.came(str(information.TransactionUID), kept=event.event_type == _ALL_KEPT)
        except Exception:  # a peer may send anything
            known = False
        return (_SUCCESS if known else _PROCESSING_FAILURE), None

    def _requested(self, event: Any) -> None:
        association = event.assoc
        asked = association.requestor.primitive
        called, calling = str(asked.called_ae_title).strip(), str(asked.calling_ae_title).strip()
        address = association.requestor.address
        why = "called" if called != self._title else None
        if self._peers and not any(peer.admits(calling, address) for peer in self._peers):
            why = "calling"
        if why is not None:
            self._metrics.rejected(f"{why} AE title")
            _logger.warning("an association from %s was rejected: %s AE title", address, why)
            association.acse.send_reject(*_REJECTED[why])
            association.kill()

    def _store(self, event: Any) -> Any:
        request, guard = event.request, event.assoc.guard
        sop_class, sop_instance = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        answer = self._reception.take(
            Path(event.dataset_path), sop_class, sop_instance,
            lambda: guard.last_byte_s if guard.receives else 0.0,
        )  # fmt: skip
        self._metrics.came(answer.status)
        if answer.status:
            _logger.warning("an image got %04X: %s", answer.status, answer.comment)
        said = self._dataset()
        said.Status = answer.status
        if answer.comment:
            said.ErrorComment = answer.comment[:64]
        return said

    def _closed(self, event: Any) -> None:
        """Removes the beginning of an object whose transfer was interrupted."""
        association = event.assoc
        if association.guard.violation:
            self._metrics.rejected(association.guard.violation)
            _logger.warning("an association was ended: %s", association.guard.violation)
        begun = getattr(association.dimse.message, "_data_set_file", None)
        if begun is not None:
            with contextlib.suppress(OSError):
                begun.close()
                Path(begun.name).unlink(missing_ok=True)


def _hush() -> None:
    """The libraries' messages may quote the patient; ours only say what happened."""
    for name in _LIBRARY_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
