"""What is evaluated: a bundle as applications run it, or a checkpoint as torch does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.dependencies import check_installed
from miniseg_edge.errors import StatisticsError
from miniseg_edge.labelled import LabelledSlice
from miniseg_edge.preprocessing import ByteArray, Statistics, Window
from miniseg_edge.recipe import Recipe
from miniseg_edge.runtimes.segmenter import load


@dataclass(frozen=True)
class Running:
    """How to run it; what a bundle or a checkpoint says itself need not be said here.

    Attributes:
        runtime, precision, device: of a bundle, see `load`.
        statistics, size, window: of a checkpoint.
    """

    runtime: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    statistics: Statistics | None = None
    size: tuple[int, int] | None = None
    window: Window | None = None


@dataclass(frozen=True)
class Subject:
    """Something that draws masks.

    Attributes:
        name: what it is and what runs it, for people.
        sha256: of the checkpoint, or the bundle's digest.
        classes: background included.
        separate_channels: whether its slices have channels that differ.
        mask: a slice -> its classes (H, W) uint8. Raises: InputError, UsageError.
    """

    name: str
    sha256: str
    classes: int
    separate_channels: bool
    mask: Callable[[LabelledSlice], ByteArray]


@contextmanager
def opened_subject(path: Path, running: Running) -> Iterator[Subject]:
    """Opens a bundle (a folder) or a checkpoint (a file).

    Raises:
        BundleError, CheckpointError and their kin; StatisticsError: a checkpoint whose normalisation is unknown.
    """
    if not path.is_dir():
        yield _checkpoint_subject(path, running)
        return
    with load(path, running.runtime, running.device, precision=running.precision) as segmenter:
        manifest = segmenter.bundle.manifest

        def mask(slice_: LabelledSlice) -> ByteArray:
            result = segmenter.segment_hu(slice_.values) if slice_.in_hu else segmenter.segment(slice_.values)
            return result.mask

        classes, separate = manifest.network.classes, manifest.interface.channels > 1
        yield Subject(f"{path.name}, {segmenter}", manifest.digest, classes, separate, mask)


def _checkpoint_subject(path: Path, running: Running) -> Subject:
    check_installed(("torch", "safetensors"), "torch")
    from miniseg_edge.training.checkpoint import checkpoint_from_file
    from miniseg_edge.training.prediction import predicted_mask

    checkpoint = checkpoint_from_file(path)
    statistics = running.statistics or checkpoint.statistics
    if statistics is None:
        wanted = "--mean and --std of its training slices"
        raise StatisticsError(f"the normalisation of {path.name} is unknown", wanted, "neither")
    record, network = checkpoint.training, checkpoint.network()
    window = running.window or (record.window if record is not None else None)
    side = record.recipe.size if record is not None else Recipe().size
    size = running.size or (side, side)

    def mask(slice_: LabelledSlice) -> ByteArray:
        return predicted_mask(network, slice_.grey(window), statistics, size)

    separate = record is not None and record.separate_channels
    name = f"{path.name}, torch fp32 on cpu"
    return Subject(name, checkpoint.sha256, checkpoint.identity.classes, separate, mask)
