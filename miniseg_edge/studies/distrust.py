"""Errors of the libraries that read what others made, as errors of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from miniseg_edge.errors import MiniSegError, UnsupportedFormatError


@contextmanager
def distrusted(name: str) -> Iterator[None]:
    """Inside, a hostile header's errors become ours; libraries have many kinds, and their texts may quote the patient.

    Raises:
        UnsupportedFormatError: in the place of a library's error.
        OSError: the system's own.
    """
    try:
        yield
    except MiniSegError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # libraries raise some without a number
            raise
        raise UnsupportedFormatError(f"{name} is unusable", "an intact CT image", type(error).__name__) from None
