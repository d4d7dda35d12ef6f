"""The evaluated network: a bundle as applications run it, or a checkpoint in torch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.bundle.recipe import Recipe
from miniseg_edge.errors import StatisticsError
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.slices.preprocessing import ByteArray, Statistics, Window
from miniseg_edge.studies.labels.folders import LabelledSlice


@dataclass(frozen=True)
class Running:
    """How to run it; values that a bundle or a checkpoint contains need not be given.

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
class Evaluated:
    """Something that makes masks.

    Attributes:
        name: what it is and what runs it, for display.
        sha256: of the checkpoint, or the bundle's digest.
        classes: background included.
        separate_channels: whether its slices have different channels.
        mask: a slice -> its classes (H, W) uint8. Raises: InputError, UsageError.
    """

    name: str
    sha256: str
    classes: int
    separate_channels: bool
    mask: Callable[[LabelledSlice], ByteArray]


@contextmanager
def opened_subject(path: Path, running: Running) -> Iterator[Evaluated]:
    """Opens a bundle (a folder) or a checkpoint (a file).

    Raises:
        BundleError, CheckpointError and their subclasses; StatisticsError: a checkpoint's normalisation is unknown.
    """
    if not path.is_dir():
        yield _checkpoint_subject(path, running)
        return
    with load(path, running.runtime, running.device, precision=running.precision) as segmenter:
        manifest = segmenter.bundle.manifest

        def mask(slice_: LabelledSlice) -> ByteArray:
            if slice_.in_hu:  # of a study, whose values were judged when it was read
                return segmenter.segment_hu(slice_.values, assume_hu=True).mask
            return segmenter.segment(slice_.values).mask

        classes, separate = manifest.network.classes, manifest.interface.channels > 1
        yield Evaluated(f"{path.name}, {segmenter}", manifest.digest, classes, separate, mask)


def _checkpoint_subject(path: Path, running: Running) -> Evaluated:
    check_installed(("torch", "safetensors"), "torch")
    from miniseg_edge.training.checkpoint import checkpoint_from_file
    from miniseg_edge.training.prediction import predicted_mask

    checkpoint = checkpoint_from_file(path)
    statistics = running.statistics or checkpoint.statistics
    if statistics is None:
        wanted = "--mean and --std of its training slices"
        raise StatisticsError(f"the normalisation of {path.name} is unknown", expected=wanted, got="neither")
    record, network = checkpoint.training, checkpoint.network()
    window = running.window or (record.window if record is not None else None)
    side = record.recipe.size if record is not None else Recipe().size
    size = running.size or (side, side)

    def mask(slice_: LabelledSlice) -> ByteArray:
        return predicted_mask(network, slice_.grey(window), statistics, size)

    separate = record is not None and record.separate_channels
    name = f"{path.name}, torch fp32 on cpu"
    return Evaluated(name, checkpoint.sha256, checkpoint.identity.classes, separate, mask)
