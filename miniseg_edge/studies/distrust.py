"""Errors of the libraries that read what others made, as errors of ours; and what they would log, unsaid."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from miniseg_edge.errors import MiniSegError, UnsupportedFormatError
from miniseg_edge.host.silence import DICOM_LIBRARIES, silence


@contextmanager
def distrusted(name: str, refusal: Callable[[str], MiniSegError] | None = None) -> Iterator[None]:
    """Inside, a hostile header's errors become ours; libraries have many kinds, and their texts may quote the patient.

    The libraries' log records and warnings, which may quote the patient too, are not shown.

    Args:
        name: of the file, for the error.
        refusal: makes the error from the name of the library's; by default an UnsupportedFormatError.

    Raises:
        UnsupportedFormatError, or what `refusal` makes: in the place of a library's error.
        OSError, MemoryError: the system's own.
    """
    try:
        with silence(*DICOM_LIBRARIES):
            yield
    except (MiniSegError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # libraries raise some without a number
            raise
        kind = type(error).__name__
        if refusal is not None:
            raise refusal(kind) from None
        raise UnsupportedFormatError(f"{name} is unusable", expected="an intact CT image", got=kind) from None
