"""A service's limits on requests, time and bytes."""

from dataclasses import dataclass

from miniseg_edge.errors import UsageError

MAX_QUEUE, MAX_DEADLINE_S, MAX_BODY_MB = 10_000, 86_400.0, 4096


@dataclass(frozen=True)
class Limits:
    """What a service takes.

    Attributes:
        queue: requests that may wait in addition to those being processed, one per stream of the engine.
        deadline_s: for a request, from its headers to its masks; a request may ask for less. Delivery may take as long
            again.
        max_body_mb: of a request, in MiB.
    """

    queue: int = 16
    deadline_s: float = 10.0
    max_body_mb: int = 32

    def __post_init__(self) -> None:
        if not (
            0 <= self.queue <= MAX_QUEUE
            and 0 < self.deadline_s <= MAX_DEADLINE_S
            and 1 <= self.max_body_mb <= MAX_BODY_MB
        ):
            wanted = f"a queue of 0..{MAX_QUEUE}, a deadline up to {MAX_DEADLINE_S:g} s, bodies of 1..{MAX_BODY_MB} MiB"
            raise UsageError(
                "the limits are invalid",
                expected=wanted,
                got=f"{self.queue}, {self.deadline_s:g} s, {self.max_body_mb} MiB",
            )

    @property
    def max_body_bytes(self) -> int:
        """The same in bytes."""
        return self.max_body_mb * 2**20
