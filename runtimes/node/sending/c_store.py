"""Sends results to an archive by C-STORE, and requests confirmations by N-ACTION."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from miniseg_edge.errors import SendError, SendRefusedError
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.node.associations.closing import close_for_certain
from miniseg_edge.runtimes.node.associations.contexts import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    EXPLICIT,
    IMPLICIT,
    SENT_CLASSES,
    VERIFICATION,
)
from miniseg_edge.runtimes.node.associations.peers import ArchiveNode
from miniseg_edge.runtimes.node.keeping.records import Reference
from miniseg_edge.runtimes.node.keeping.spool import key_of
from miniseg_edge.runtimes.node.sending.archive import Outgoing

CONNECT_S, ANSWER_S = 10.0, 120.0

_SUCCESS, _WARNINGS = 0x0000, (0xB000, 0xB006, 0xB007)
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_PROCESSING_FAILURE = 0x0110
_REQUEST_COMMITMENT = 1


class CStoreArchive:
    """An archive at an AE title. Thread-safety: one thread at a time."""

    def __init__(self, node: ArchiveNode, our_title: str, tls: ssl.SSLContext | None, on_report: Any) -> None:
        """Opens nothing yet.

        Args:
            node: the archive.
            our_title: our calling AE title.
            tls: for connections to it, or None.
            on_report: receives a confirmation that arrives on the requesting association.
        """
        self.name, self.key = node.name, key_of(f"{node.title}@{node.host}:{node.port}")
        self._node, self._title, self._tls, self._on_report = node, our_title, tls, on_report

    def store(self, results: Sequence[Outgoing], stored: Callable[[Outgoing], None]) -> None:
        """As `Archive` says."""
        pydicom: Any = require("pydicom", "node")
        classes = [one for one in SENT_CLASSES if any(one == r.made.reference.sop_class_uid for r in results)]
        with self._associated(classes) as association:
            for result in results:
                dataset = pydicom.dcmread(result.path)
                if str(dataset.SOPClassUID) not in _accepted(association):
                    raise SendRefusedError(
                        f"{self.name} does not accept this kind of object",
                        expected="an accepted SOP class",
                        got=dataset.SOPClassUID.name,
                    )
                try:
                    answer = association.send_c_store(dataset)
                except (RuntimeError, ValueError, OSError) as error:  # the association ended, or nothing fits
                    raise SendError(f"{self.name} ended the association", because=type(error).__name__) from None
                self._check(answer)
                stored(result)

    def ask_to_keep(self, references: Sequence[Reference], transaction_uid: str) -> bool:
        """As `Archive` says."""
        pydicom: Any = require("pydicom", "node")
        asked = pydicom.Dataset()
        asked.TransactionUID, asked.ReferencedSOPSequence = transaction_uid, []
        for one in references:
            item = pydicom.Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
            asked.ReferencedSOPSequence.append(item)
        with self._associated((COMMITMENT,)) as association:
            if COMMITMENT not in _accepted(association):
                return False
            answer, _ = association.send_n_action(asked, _REQUEST_COMMITMENT, COMMITMENT, COMMITMENT_INSTANCE)
            status = answer.get("Status")
            if status is None:
                raise SendError(f"{self.name} ended the association", expected="an answer", got="none")
            return bool(status == _SUCCESS)

    def _check(self, answer: Any) -> None:
        status = answer.get("Status")
        if status is None:
            raise SendError(f"{self.name} ended the association", expected="an answer", got="none")
        if status == _SUCCESS or status in _WARNINGS:
            return
        if status in _OUT_OF_RESOURCES or status == _PROCESSING_FAILURE:
            raise SendError(f"{self.name} did not take a result", expected="status 0000", got=f"{status:04X}")
        raise SendRefusedError(f"{self.name} refused a result", expected="status 0000", got=f"{status:04X}")

    @contextmanager
    def _associated(self, classes: Sequence[str]) -> Iterator[Any]:
        pynetdicom: Any = require("pynetdicom", "node")
        events: Any = require("pynetdicom.events", "node")
        ours = pynetdicom.AE(self._title)
        ours.acse_timeout, ours.connection_timeout = CONNECT_S, CONNECT_S
        ours.dimse_timeout = ours.network_timeout = ANSWER_S
        for one in (VERIFICATION, *classes):  # all accept the first, so that a refusal of the others is visible
            ours.add_requested_context(one, [EXPLICIT, IMPLICIT])
        node = self._node
        try:
            association = ours.associate(
                node.host, node.port, ae_title=node.title,
                tls_args=None if self._tls is None else (self._tls, node.host),
                evt_handlers=[
                    (events.EVT_CONN_OPEN, close_for_certain),
                    (events.EVT_N_EVENT_REPORT, self._on_report),
                ],
            )  # fmt: skip
        except OSError as error:  # a host name that is not known
            because = error.strerror or type(error).__name__
            raise SendError(f"{node.title} cannot be reached", because=because) from error
        try:
            if not association.is_established:
                how = "rejected" if association.is_rejected else "no association"
                raise SendError(f"{node.title} cannot be reached", because=how)
            yield association
        finally:
            if association.is_established:
                association.release()


def _accepted(association: Any) -> set[str]:
    return {str(context.abstract_syntax) for context in association.accepted_contexts}
