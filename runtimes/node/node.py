"""Assembles a node: incoming objects are stored, segmented, sent, and removed."""

import contextlib
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import MiniSegError, UsageError
from miniseg_edge.host.signals import ended_by
from miniseg_edge.runtimes.node.associations.association import Door
from miniseg_edge.runtimes.node.associations.peers import Accepted
from miniseg_edge.runtimes.node.associations.reception import Reception
from miniseg_edge.runtimes.node.desk import Case, Desk, Stage
from miniseg_edge.runtimes.node.drawing import Drawing
from miniseg_edge.runtimes.node.keeping.records import DONE, End
from miniseg_edge.runtimes.node.keeping.spool import Spool
from miniseg_edge.runtimes.node.limits import MIB, NodeLimits
from miniseg_edge.runtimes.node.memory import resident_bytes
from miniseg_edge.runtimes.node.metrics import NodeMetrics
from miniseg_edge.runtimes.node.rules import Rules
from miniseg_edge.runtimes.node.sending.archive import Archive
from miniseg_edge.runtimes.node.sending.confirmations import Confirmations
from miniseg_edge.runtimes.node.sending.sender import Patience, Sender
from miniseg_edge.runtimes.node.workers import Workers
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter

TICK_S = 0.1
STOP_S = 10.0

Bound = TypeVar("Bound")

_logger = logger_of(__name__)


@dataclass(frozen=True)
class Settings:
    """What a node is told.

    Attributes:
        title: its AE title.
        host, port: where it listens; port 0 chooses a free one.
        tls: for scanners' connections, or None.
        peers: who may send; if empty, everybody who can reach it.
        wait_s: idle time after which a series is complete.
        late_s: how long images are kept after the answer, for late slices.
        keep: keep them permanently.
        metrics_port: on loopback; None for no metrics.
        rules, limits, drawing, patience: see their classes.
    """

    title: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    peers: tuple[Accepted, ...]
    wait_s: float
    late_s: float
    keep: bool
    metrics_port: int | None
    rules: Rules
    limits: NodeLimits
    drawing: Drawing
    patience: Patience


class Node:
    """A node. Thread-safety: `run` must be called from the main thread."""

    def __init__(self, settings: Settings, spool: Spool, segmenter: Segmenter, confirmations: Confirmations) -> None:
        """Accepts nothing yet. Raises: MissingDependencyError."""
        self._settings, self._spool = settings, spool
        limits = settings.limits
        self._desk = Desk(spool, limits.series, settings.wait_s, settings.late_s, keep=settings.keep)
        choice = segmenter.choice
        provenance = {"runtime": choice.entry.name, "device": choice.device, "precision": choice.artifact.precision}
        self._metrics = NodeMetrics({**provenance, "bundle": segmenter.bundle.manifest.digest})
        self._workers = Workers(self._desk, segmenter, settings.drawing, limits.workers)
        self._workers.on_drawn = lambda drawn: self._metrics.drew(drawn.slices, drawn.seconds)
        reception = Reception(spool, self._desk, settings.rules, limits)
        self._door = Door(
            settings.title, settings.peers, reception=reception, confirmations=confirmations, metrics=self._metrics,
            limits=limits, rules=settings.rules,
        )  # fmt: skip
        self._confirmations = confirmations
        self._senders: list[Sender] = []
        self._outcomes: dict[str, dict[str, MiniSegError | None]] = defaultdict(dict)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._desk.on_drawn, self._desk.on_end = self._send, self._say
        self._watch()

    def run(self, archives: Sequence[Archive], ready: Callable[[int, int | None], None]) -> None:
        """Works until it is told to stop (SIGTERM, Ctrl-C).

        Args:
            archives: that receive every result.
            ready: called with the port, and the metrics' port, when connections are accepted.

        Raises:
            UsageError: the port cannot be bound. DeviceLostError and its subclasses: this process cannot segment any
                more; a new one resumes.
        """
        settings, limits = self._settings, self._settings.limits
        self._senders = [self._sender(archive) for archive in archives]
        metrics, metrics_port = None, None
        if settings.metrics_port is not None:
            metrics, metrics_port = self._bound(lambda: self._metrics.serve(settings.metrics_port or 0))
        with ended_by(self._stop):
            self._desk.resume()
            self._workers.start()
            for sender in self._senders:
                sender.start()
            port = self._bound(
                lambda: self._door.open(settings.host, settings.port, settings.tls, self._spool.incoming)
            )
            ready(port, metrics_port)
            while not self._stopping.wait(TICK_S) and self._workers.fatal is None:
                self._desk.tick()
                self._sweep()
        self._door.close(limits.pdu_s)
        self._workers.stop(STOP_S)
        for sender in self._senders:
            sender.stop(STOP_S)
        if metrics is not None:
            metrics.shutdown()
            metrics.server_close()
        if self._workers.fatal is not None:
            raise self._workers.fatal

    @property
    def report(self) -> Callable[..., object]:
        """Receives confirmations that arrive on our own associations."""
        return self._door.report

    def _sender(self, archive: Archive) -> Sender:
        return Sender(
            archive,
            confirmations=self._confirmations,
            patience=self._settings.patience,
            delivered=lambda case: self._outcome(case, archive, None),
            failed=lambda case, error: self._outcome(case, archive, error),
            counted=self._metrics.sent,
        )

    def _send(self, case: Case) -> None:
        for sender in self._senders:
            sender.put(case)

    def _outcome(self, case: Case, archive: Archive, error: MiniSegError | None) -> None:
        """One archive has everything, or never will; after all archives, the round ends."""
        with self._lock:
            found = self._outcomes[case.key]
            found[archive.key] = error
            if len(found) < len(self._senders):
                return
        errors = [one for one in found.values() if one is not None]
        if errors:
            self._desk.failed(case, errors[0])
        else:
            self._desk.sent(case)
        with self._lock:
            self._outcomes.pop(case.key, None)  # now: if the end could not be recorded, the sender tries again

    def _say(self, case: Case, end: End) -> None:
        """Logs the one line for a series."""
        seconds = time.monotonic() - case.last_image_s
        self._metrics.ended(end.status, end.code, seconds if end.status == DONE else None)
        if end.status != DONE:
            _logger.warning("series %s: received %d, %s: %s", case.key, case.received, end.status, end.code)
            return
        found = case.last_round
        drawn, taken = (None, None) if found is None else (found.drawn(), found.taken())
        if drawn is None or taken is None:
            return
        replaces = f", replaces {len(taken.replaces)} objects" if taken.replaces else ""
        _logger.info(
            "series %s: received %d, taken %d, slices %d, %d lesions, %.2f ml, "
            "sent %d to %s%s, %.1f s after the last image",
            case.key, case.received, len(taken.images), drawn.slices, drawn.lesions, drawn.lesion_volume_ml,
            len(drawn.objects), ", ".join(sender.archive.name for sender in self._senders), replaces, seconds,
        )  # fmt: skip

    def _watch(self) -> None:
        metrics, spool = self._metrics, self._spool
        metrics.watch("associations", "Associations that are open", lambda: self._door.associations)
        metrics.watch("spool_bytes", "Of images and results in the spool", lambda: spool.bytes)
        metrics.watch("spool_bytes_max", "More get A700", lambda: self._settings.limits.spool_mb * MIB)
        metrics.watch("dead_letters", "Series that could not be answered", lambda: len(spool.dead_keys()))
        metrics.watch("unsent", "Series on their way to an archive", lambda: sum(map(len, self._senders)))
        metrics.watch("resident_bytes", "Resident memory", resident_bytes)
        metrics.watch_stages(self._desk.stages, tuple(stage.value for stage in Stage))

    def _sweep(self) -> None:
        """Removes partial objects of interrupted associations."""
        left = list(self._spool.incoming.iterdir())
        if left and not self._door.associations:
            for path in left:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def _bound(self, opens: Callable[[], Bound]) -> Bound:
        try:
            return opens()
        except OSError as error:
            raise UsageError("a port cannot be bound", because=error.strerror or str(error)) from error

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping.set()
