"""The precision in which a compiled artefact really runs, as far as its runtime reports it."""

from collections.abc import Sequence

import numpy as np

from miniseg_edge.bundle.manifest import Manifest, PrecisionShare
from miniseg_edge.errors import ExportError, InferenceError
from miniseg_edge.export.build import Build
from miniseg_edge.plurals import number_of
from miniseg_edge.runtimes.backends.registry import reader_of
from miniseg_edge.slices.preprocessing import GREY_MAX


def precision_shares(files: Sequence[bytes], build: Build, manifest: Manifest) -> tuple[PrecisionShare, ...]:
    """Runs an artefact here on a random slice and asks its runtime; empty if the runtime does not report it.

    Raises:
        RuntimeUnavailableError: no runtime reads the target.
        MissingDependencyError: the runtime's package is not installed.
        ExportError: the device does not report it.
    """
    shape = (1, manifest.interface.channels, *manifest.preprocessing.size)
    grey = np.random.default_rng(0).random(shape, np.float32) * np.float32(GREY_MAX)
    try:
        return reader_of(build.target).load().precision_shares(files, build.precision, grey) or ()
    except InferenceError as error:
        raise ExportError(error.problem, **error.details) from error


def check_int8(shares: Sequence[PrecisionShare], wanted: int) -> None:
    """Refuses an INT8 artefact if fewer convolutions run in INT8 than were quantized. Raises: ExportError."""
    found = sum(share.convolutions for share in shares if share.precision == "int8")
    if found < wanted:
        shown = ", ".join(f"{number_of(share.convolutions, 'convolution')} in {share.precision}" for share in shares)
        raise ExportError(
            "the INT8 artefact does not run in INT8", expected=f"{number_of(wanted, 'convolution')} in int8", got=shown
        )
