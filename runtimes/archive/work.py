"""What workers are told: what to do with each series, and who they are."""

from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.backends.registry import AUTO
from miniseg_edge.studies.dicom.frames import Rescale
from miniseg_edge.studies.seg.dicom_seg import SegFrames


@dataclass(frozen=True)
class Work:
    """The same for all workers; it travels to them, so paths must be theirs too.

    Attributes:
        bundle, trust: paths, as `load` takes them.
        bundle_digest: of the bundle that the driver saw; workers refuse another.
        source: path or URL.
        output: folder that all workers write to.
        scratch: folder for copies of what is far away.
        formats: of results.
        precision: as `load` takes it.
        rescale: slope and intercept where DICOM headers lack them.
        threads: of each worker's engine.
        run: the driver's run, so that attempts of another are not counted.
        seg_frames: as `dicom_seg_from_mask` takes them.
        assume_hu: whether values are taken as HU that do not look like HU.
        follow_links: whether files behind links out of the archive are read.
    """

    bundle: str
    trust: str | None
    bundle_digest: str
    source: str
    output: Path
    scratch: Path
    formats: tuple[str, ...]
    precision: str
    rescale: Rescale | None
    threads: int
    run: str
    seg_frames: SegFrames = "range"
    assume_hu: bool = False
    follow_links: bool = False


@dataclass(frozen=True)
class Crew:
    """Workers of one kind.

    Attributes:
        workers: how many.
        runtime, device: as `load` takes them.
        gpus: that each takes of Ray; it sees them as cuda:0, ...
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
