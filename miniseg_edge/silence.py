"""Libraries at work without a word: no log records, warnings, progress bars or questions to whoever may be there."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from miniseg_edge.environment import environment_with

_UNATTENDED = {"CI": "true", "NNCF_CI": "1"}
"""What tells NNCF and OpenVINO's converter that nobody is there whose use they could report."""


@contextmanager
def silence() -> Iterator[None]:
    """Inside, nothing is logged and nobody is warned: remarks on DICOM headers, for one, may quote the patient.

    Logging and warnings are the whole process's; keep what is done inside short.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextmanager
def unattended() -> Iterator[None]:
    """The same without progress bars and reports about use; what fails is raised all the same.

    NNCF asks when it is imported, so that has to happen inside.
    """
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with environment_with(_UNATTENDED), silence(), quiet[0], quiet[1]:
        yield
