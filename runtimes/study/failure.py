"""Why a series has no result, in a text that quotes nothing."""

from miniseg_edge.errors import InputError, MiniSegError
from miniseg_edge.host.limits import limit_behind


def failure_of(error: Exception) -> MiniSegError:
    """Converts an exception to ours; texts of libraries may quote the patient, and are omitted."""
    if isinstance(error, MiniSegError):
        return error
    if (limit := limit_behind(error)) is not None:
        return limit
    if isinstance(error, OSError):
        return InputError("the series cannot be read", because=error.strerror or type(error).__name__)
    return MiniSegError("an unexpected error occurred", because=type(error).__name__)
