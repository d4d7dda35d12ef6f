"""An archive as seen by the sender, whatever the protocol."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from miniseg_edge.runtimes.node.keeping.records import Reference, ResultObject


@dataclass(frozen=True)
class Outgoing:
    """A result to send: its file, and its identifiers."""

    path: Path
    made: ResultObject


class Archive(Protocol):
    """Takes results.

    Attributes:
        name: for logs and metrics.
        key: of its marks in the spool.
    """

    name: str
    key: str

    def store(self, results: Sequence[Outgoing], stored: Callable[[Outgoing], None]) -> None:
        """Sends results in order; `stored` is called for each that was accepted.

        Raises:
            SendError: the archive may accept them later; SendRefusedError: it never will.
            OutputError: `stored` could not record it.
        """

    def ask_to_keep(self, references: Sequence[Reference], transaction_uid: str) -> bool:
        """Requests a confirmation that it stored results; returns False if it does not offer that.

        Raises: SendError.
        """
