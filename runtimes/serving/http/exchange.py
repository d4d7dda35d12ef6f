"""A request whose headers have arrived, and the progress of its body and its answer."""

import asyncio
from dataclasses import dataclass, field

from starlette.types import Message, Scope


@dataclass
class Exchange:
    """One request and its answer; it belongs to one event loop.

    Attributes:
        scope: the request, as in ASGI.
        pieces, held: bytes of the body that the application has not taken yet, and their number.
        complete: whether the whole body has arrived.
        taken: whether the application has taken the whole body.
        over: nothing can be received or sent any more: answered, or the peer has disconnected.
        changed: set when one of these changes.
        task: the running application.
    """

    scope: Scope
    pieces: list[bytes] = field(default_factory=list)
    held: int = 0
    complete: bool = False
    taken: bool = False
    over: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def put(self, data: bytes) -> None:
        """The next bytes of the body."""
        self.pieces.append(data)
        self.held += len(data)
        self.changed.set()

    def end(self) -> None:
        """The body has ended."""
        self.complete = True
        self.changed.set()

    def finish(self) -> None:
        """No more bytes follow; those not taken are discarded."""
        self.over, self.pieces, self.held = True, [], 0
        self.changed.set()

    def take(self) -> Message | None:
        """The next ASGI event for the application; None if there is none."""
        if self.over:
            return {"type": "http.disconnect"}
        if self.taken or not (self.held or self.complete):
            return None
        body = b"".join(self.pieces)
        self.pieces, self.held, self.taken = [], 0, self.complete
        return {"type": "http.request", "body": body, "more_body": not self.complete}
