"""Inputs that must be rejected, each with its expected error; a soak mixes them with good slices."""

import concurrent.futures
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge.benchmarks.traffic import JOB_S, Known
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.errors import (
    CancelledError,
    DeadlineError,
    InputError,
    IntegrityError,
    UnsupportedFormatError,
)
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.slices.images import png_from_pixels, slice_from_file
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray

_QUEUED = 8
_AT_ONCE_S = 1e-6
_ATTEMPTS = 50


@dataclass(frozen=True)
class Fault:
    """A bad input, and its expected error."""

    name: str
    offer: Callable[[Segmenter, Known], object]
    error: type[Exception]


class SourceError(Exception):
    """The exception of a slice source that fails in the middle; not ours, and it must be passed on unchanged."""


def faults_in(folder: Path, bundle: Path) -> tuple[Fault, ...]:
    """Every fault; files among them are created in `folder`, from the bundle and a slice, once."""
    picture = folder / "truncated.png"
    picture.write_bytes(png_from_pixels(np.full((64, 64), 7, np.uint8))[:-20])
    forged = folder / "forged"
    shutil.copytree(bundle, forged)
    largest = max((path for path in forged.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    return (
        Fault("no array", lambda segmenter, known: segmenter.segment([1, 2, 3]), InputError),  # type: ignore[arg-type]
        Fault("an empty array", lambda segmenter, known: segmenter.segment(known.image[:0]), InputError),
        Fault("a volume for a slice", lambda segmenter, known: segmenter.segment(known.image[None]), InputError),
        Fault("a slice for a volume", lambda segmenter, known: segmenter.segment_volume(known.image), InputError),
        Fault("NaN", lambda segmenter, known: segmenter.segment(_spoilt(known, np.nan)), InputError),
        Fault("beyond the grey scale", lambda segmenter, known: segmenter.segment(_spoilt(known, 1e4)), InputError),
        Fault("NaN in a stream", lambda segmenter, known: list(segmenter.stream(_bad_stream(known))), InputError),
        Fault("a source that breaks", lambda segmenter, known: list(segmenter.stream(_broken(known))), SourceError),
        Fault("a deadline that is over", _too_late, DeadlineError),
        Fault("a job that is cancelled", _cancelled, CancelledError),
        Fault("a truncated picture", lambda segmenter, known: slice_from_file(picture), UnsupportedFormatError),
        Fault("a bundle with another bit", lambda segmenter, known: open_bundle(forged), IntegrityError),
    )


def complaint(fault: Fault, segmenter: Segmenter, known: Known) -> str:
    """Submits the fault: returns "" if it got its error, otherwise what it got."""
    try:
        fault.offer(segmenter, known)
    except fault.error:
        return ""
    except Exception as error:
        return f"{fault.name}: {type(error).__name__} instead of {fault.error.__name__}"
    return f"{fault.name}: no error instead of {fault.error.__name__}"


def _spoilt(known: Known, value: float) -> FloatArray:
    """The slice as float32 with one invalid pixel."""
    grey = known.image.astype(np.float32)
    grey[grey.shape[0] // 2, grey.shape[1] // 2] = value
    return grey


def _bad_stream(known: Known) -> Iterator[ByteArray | FloatArray]:
    yield known.image
    yield _spoilt(known, np.nan)
    yield known.image


def _broken(known: Known) -> Iterator[ByteArray]:
    yield known.image
    raise SourceError


def _too_late(segmenter: Segmenter, known: Known) -> None:
    """Repeated if the mask came first, which is allowed."""
    for _ in range(_ATTEMPTS):
        segmenter.submit(known.image, _AT_ONCE_S).result()


def _cancelled(segmenter: Segmenter, known: Known) -> None:
    """The last of a queue; repeated if all of it was done first."""
    for _ in range(_ATTEMPTS):
        jobs = [segmenter.submit(known.image, JOB_S) for _ in range(_QUEUED)]
        jobs[-1].cancel()
        concurrent.futures.wait(jobs)
        jobs[-1].result()
