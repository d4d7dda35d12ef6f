"""The inputs of a benchmark: slices with their labels, and DICOM series made of them."""

from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.benchmarks.report import Failure
from miniseg_edge.benchmarks.run.request import BenchmarkRequest
from miniseg_edge.benchmarks.session.plan import BURST
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.console import terminal
from miniseg_edge.errors import InputError, MissingDependencyError, UsageError
from miniseg_edge.phantoms import main as write_phantoms
from miniseg_edge.phantoms.series import write_series
from miniseg_edge.slices.images import image_paths, label_from_file, slice_from_file
from miniseg_edge.slices.preprocessing import ByteArray

PHANTOMS = 8
PHANTOM_FIRST_SEED = 9300
WARM_UP_SLICES, CT_SLICES = 8, 300


def phantoms_in(folder: Path) -> tuple[Path, ...]:
    """Default slices, written to a folder."""
    write_phantoms([str(folder), "--count", str(PHANTOMS), "--first-seed", str(PHANTOM_FIRST_SEED)])
    return tuple(image_paths(folder / "images"))


def slices_of(
    request: BenchmarkRequest, bundle: Bundle, folder: Path
) -> tuple[tuple[Path, ...], tuple[ByteArray, ...] | None]:
    """The user's slices and labels, or phantoms; all read once, so that a broken one is found early."""
    if request.slices is None:
        return phantoms_in(folder), None
    paths = image_paths(request.slices)
    channels = bundle.manifest.interface.channels
    shapes = [slice_from_file(path, channels).shape[:2] for path in paths]
    if request.labels is None:
        return tuple(paths), None
    by_stem = {path.stem: path for path in image_paths(request.labels)}
    if missing := [path.stem for path in paths if path.stem not in by_stem]:
        raise UsageError(
            "some slices have no label", expected="a label of the same stem for each", got=", ".join(missing[:12])
        )
    classes = bundle.manifest.network.classes
    labels = tuple(label_from_file(by_stem[path.stem], classes) for path in paths)
    for path, shape, label in zip(paths, shapes, labels, strict=True):
        if label.shape != shape:
            raise InputError(
                f"the label of {path.stem} has a different size", expected=str(shape), got=str(label.shape)
            )
    return tuple(paths), labels


def series_of(
    request: BenchmarkRequest, bundle: Bundle, slices: Sequence[Path], folder: Path
) -> tuple[tuple[Path, Path] | None, tuple[Failure, ...]]:
    """DICOM series of the slices for the burst from end to end: a few for the warm-up, and a whole CT."""
    if BURST not in request.schedule.scenarios:
        return None, ()
    window, channels = bundle.manifest.preprocessing.window, bundle.manifest.interface.channels
    if window is None or channels != 1:
        return None, (Failure("the burst from DICOM", "the bundle has no window, or takes no grey slices"),)
    images = [slice_from_file(path) for path in slices]
    alike = [image for image in images if image.shape == images[0].shape]
    try:
        with terminal.step("a CT series for the burst"):
            counts = (("few", WARM_UP_SLICES), ("ct", CT_SLICES))
            few, series = (write_series(folder / name, alike, count, window) for name, count in counts)
    except MissingDependencyError as error:
        return None, (Failure("the burst from DICOM", str(error)),)
    return (few, series), ()
