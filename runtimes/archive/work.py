"""The workers' instructions: what to do with each series, and their roles."""

from dataclasses import dataclass, field
from pathlib import Path

from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.archive.bounds import Bounds
from miniseg_edge.runtimes.backends.registry import AUTO
from miniseg_edge.studies.dicom.frames import Rescale
from miniseg_edge.studies.seg.dicom_seg import SegFrames


@dataclass(frozen=True)
class Work:
    """The same for all workers. It is sent to them, so its paths and URLs must be valid for them too.

    It is not shown or stored: the URLs may have credentials in them.

    Attributes:
        bundle, trust: paths, as in `load`.
        bundle_digest: of the driver's bundle; workers refuse another.
        source: path or URL.
        output: path or URL of what all workers write to.
        scratch: folder for copies of remote files; None for the output's own.
        formats: of results.
        precision: as in `load`.
        rescale: slope and intercept if DICOM headers lack them.
        threads: of each worker's engine.
        seg_frames: as in `dicom_seg_from_mask`.
        assume_hu: whether values that do not look like HU are accepted.
        follow_links: whether files behind links out of the archive are read.
        bounds: of each series.
    """

    bundle: str
    trust: str | None
    bundle_digest: str
    source: str
    output: str
    scratch: Path | None
    formats: tuple[str, ...]
    precision: str
    rescale: Rescale | None
    threads: int
    seg_frames: SegFrames = "range"
    assume_hu: bool = False
    follow_links: bool = False
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class Crew:
    """Workers of one kind.

    Attributes:
        workers: how many.
        runtime, device: as in `load`.
        gpus: that each worker reserves in Ray; it sees them as cuda:0, ...
    """

    workers: int
    runtime: str = AUTO
    device: str = AUTO
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if not (type(self.workers) is int and 1 <= self.workers <= 100_000 and self.gpus >= 0):
            raise UsageError(
                "the crew is invalid", expected="at least 1 worker", got=f"{self.workers} with {self.gpus} GPUs"
            )
