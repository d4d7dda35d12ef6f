"""A node's limits on peers, time, memory and disk."""

from dataclasses import dataclass

from miniseg_edge.errors import UsageError

MIB = 2**20


@dataclass(frozen=True)
class NodeLimits:
    """Each has a default; what exceeds it is refused with its DICOM status.

    Attributes:
        associations: concurrent ones; one more is rejected (local limit exceeded, transient).
        pdu_bytes: maximum PDU of a peer; a longer one ends its association.
        object_mb: maximum object, in MiB; a longer one ends its association.
        object_s: maximum time for an object, from its first byte to its last.
        pdu_s: maximum time for one PDU, and for the peer to receive an answer.
        idle_s: time without a message after which an association is ended.
        spool_mb: images and results on disk, in MiB; beyond it C-STORE gets A700.
        free_mb: that must stay free on disk, in MiB; otherwise C-STORE gets A700.
        series: that may be in progress or waiting; the first image of one more gets A700.
        images: in one series; one more gets A700.
        memory_mb: of the process, in MiB; above it C-STORE gets A700, and a series that would need more is refused.
        workers: number of series segmented concurrently.
    """

    associations: int = 16
    pdu_bytes: int = 2**17
    object_mb: int = 1024
    object_s: float = 600.0
    pdu_s: float = 30.0
    idle_s: float = 60.0
    spool_mb: int = 50 * 1024
    free_mb: int = 1024
    series: int = 256
    images: int = 10_000
    memory_mb: int = 8192
    workers: int = 1

    def __post_init__(self) -> None:
        wrong = [name for name, value in vars(self).items() if not value > 0 and name != "free_mb"]
        if self.free_mb < 0:
            wrong.append("free_mb")
        if not 4096 <= self.pdu_bytes <= 2**24:
            wrong.append("pdu_bytes")
        if wrong:
            raise UsageError(
                "the limits are invalid", expected="numbers above 0, PDUs of 4096 bytes to 16 MiB", got=", ".join(wrong)
            )

    @property
    def object_bytes(self) -> int:
        """The longest object in bytes."""
        return self.object_mb * MIB
