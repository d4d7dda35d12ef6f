"""What a node takes of peers, time, memory and disk."""

from dataclasses import dataclass

from miniseg_edge.errors import UsageError

MIB = 2**20


@dataclass(frozen=True)
class NodeLimits:
    """Each has a default; what is above it is refused by its DICOM status.

    Attributes:
        associations: at once; one more is rejected (local limit exceeded, transient).
        pdu_bytes: the longest PDU that a peer may send; a longer one ends its association.
        object_mb: the longest object, in MiB; a longer one ends its association.
        object_s: that an object may take, from its first byte to its last.
        pdu_s: that one PDU may take, and an answer to be taken.
        idle_s: without a message, after which an association is ended.
        spool_mb: of images and results on disk, in MiB; then C-STORE gets A700.
        free_mb: that must stay free on the disk, in MiB; then C-STORE gets A700.
        series: that may be in work or wait at once; the first image of one more gets A700.
        images: in one series; one more gets A700.
        memory_mb: of the process, in MiB; above it C-STORE gets A700, and a series that would need more is refused.
        workers: series that are segmented at once.
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
