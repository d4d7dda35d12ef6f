"""Extensions by other installed packages, through entry points: networks, export targets, runtimes."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeVar

from miniseg_edge.errors import UsageError


class Named(Protocol):
    """A row of a table, identified by its name."""

    @property
    def name(self) -> str:
        """Lower-case, as command lines take it."""


Row = TypeVar("Row", bound=Named)


def extended(ours: tuple[Row, ...], group: str) -> tuple[Row, ...]:
    """Our rows, followed by those of installed packages in the order of their entry points.

    Args:
        ours: at least one.
        group: the entry-point group; each entry point names a row of the same class.

    Raises:
        UsageError: a row cannot be imported, has the wrong type, or has a name that is taken.
    """
    rows = list(ours)
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        row, kind = loaded(point), type(ours[0])
        if not isinstance(row, kind):
            raise UsageError(
                f"the entry point {point.name} in {group} is wrong", expected=kind.__name__, got=type(row).__name__
            )
        if row.name in (other.name for other in rows):
            raise UsageError(f"{row.name} is in {group} twice", expected="a name of its own", got=point.value)
        rows.append(row)
    return tuple(rows)


def loaded(point: EntryPoint) -> Any:
    """The object that an entry point names. Raises: UsageError if it cannot be imported."""
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"{point.name} of {point.group} cannot be imported", expected=point.value, because=str(error)[:200]
        ) from error
