"""A small archive of pynetdicom's own, which can refuse, be out of resources, and confirm as it is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from miniseg_edge.runtimes.node.associations.closing import close_for_certain

COMMITMENT = "1.2.840.10008.1.20.1"
TITLE = "PACS"
STORED = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.7")


@dataclass
class Pacs:
    """What it has, and what it says.

    Attributes:
        objects: in the order in which they came.
        statuses: of the next objects; 0 when there are none left.
        port: of its own.
    """

    objects: list[Any] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    port: int = 0

    @property
    def node(self) -> str:
        return f"{TITLE}@127.0.0.1:{self.port}"

    def store(self, event: Any) -> int:
        status = self.statuses.pop(0) if self.statuses else 0
        if status == 0:
            made = event.dataset
            made.file_meta = event.file_meta
            self.objects.append(made)
        return status

    def ask(self, event: Any) -> tuple[int, Dataset]:
        self.asked.append(event.action_information)
        return 0, Dataset()


@contextmanager
def pacs(classes: tuple[str, ...] = STORED, port: int = 0, commits: bool = False, **more: Any) -> Iterator[Pacs]:
    """An archive that takes these classes, and with `commits` questions for a confirmation, which it never gives."""
    found = Pacs()
    ours = AE(ae_title=TITLE)
    ours.add_supported_context(Verification)
    for one in classes:
        ours.add_supported_context(one)
    if commits:
        ours.add_supported_context(COMMITMENT)
    handlers: list[Any] = [
        (evt.EVT_CONN_OPEN, close_for_certain),
        (evt.EVT_C_STORE, found.store),
        (evt.EVT_N_ACTION, found.ask),
        (evt.EVT_C_ECHO, lambda event: 0),
    ]
    server = ours.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, **more)
    assert server is not None
    found.port = int(server.server_address[1])
    try:
        yield found
    finally:
        server.shutdown()
