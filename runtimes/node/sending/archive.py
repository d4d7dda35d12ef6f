"""An archive as the sender sees it, however results get there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from miniseg_edge.runtimes.node.keeping.records import Reference, ResultObject


@dataclass(frozen=True)
class Outgoing:
    """A result on its way: its file, and what it is."""

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
        """Hands results over, in order; `stored` is called for each that was taken.

        Raises:
            SendError: it may take them later; SendRefusedError: it never will.
            OutputError: `stored` could not note it.
        """

    def ask_to_keep(self, references: Sequence[Reference], transaction_uid: str) -> bool:
        """Asks for a confirmation that it keeps results; False, if it does not offer that. Raises: SendError."""
