"""Translates exceptions raised while parsing untrusted files into our own, and silences the libraries' logs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from miniseg_edge.errors import MiniSegError, UnsupportedFormatError
from miniseg_edge.host.silence import DICOM_LIBRARIES, silence


@contextmanager
def distrusted(name: str, refusal: Callable[[str], MiniSegError] | None = None) -> Iterator[None]:
    """Inside, exceptions about a hostile header become ours; their texts may quote the patient.

    The libraries' log records and warnings, which may quote the patient too, are suppressed.

    Args:
        name: of the file, for the error.
        refusal: makes the error from the library's exception name; by default an UnsupportedFormatError.

    Raises:
        UnsupportedFormatError, or what `refusal` makes: instead of a library's exception.
        OSError, MemoryError: raised by the operating system.
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
