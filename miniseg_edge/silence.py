"""Libraries at work without a word: no log records, warnings, progress bars or questions to whoever may be there."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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
    before = {name: os.environ.get(name) for name in _UNATTENDED}
    os.environ.update(_UNATTENDED)
    try:
        with silence(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
