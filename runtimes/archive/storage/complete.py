"""Whether all that a run has left in its output is still there when it is read."""

from miniseg_edge.errors import IntegrityError


def check_complete(what: str, written: int, read: int) -> None:
    """Refuses what another run on the same output has changed, or what a storage did not list as a whole.

    Args:
        what: plural, for the error.
        written: how many there were.
        read: how many there are now.

    Raises:
        IntegrityError: the numbers differ.
    """
    if read != written:
        raise IntegrityError(
            f"{what} are missing",
            expected=f"{written:,}",
            got=f"{read:,}",
            remedy="Run again, with no other run on the same output.",
        )
