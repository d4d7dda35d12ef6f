"""Which series a user wants, by a condition in SQL about the index: `modality = 'CT' and slices > 50`.

The condition is DuckDB's to understand: pyarrow has expressions, but no language to type them in, and one of our own
would be another to learn. The database is in memory, of one table, and may open nothing.
"""

from typing import Any

from miniseg_edge.errors import UsageError
from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.archive.finding.records import ASKED_FOR, series_schema

_CLOSED = {"enable_external_access": "false", "threads": "1", "python_enable_replacements": "false"}


def check_where(where: str) -> None:
    """Raises: UsageError: no condition about the index; MissingDependencyError."""
    chosen(series_schema().empty_table(), where)


def chosen(series: Any, where: str) -> set[str]:
    """Keys of the series of an index table that fulfil a condition. Raises: UsageError, MissingDependencyError."""
    duckdb: Any = require("duckdb", "scale")
    with duckdb.connect(":memory:", config=_CLOSED) as database:
        try:
            database.execute("SET lock_configuration = true")
            found = database.from_arrow(series.select(list(ASKED_FOR))).filter(where).project("key").fetchall()
        except duckdb.Error as error:
            said = str(error).strip().splitlines()[0]
            raise UsageError(
                "--where is not a condition", expected=f"SQL about {', '.join(ASKED_FOR)}", because=said
            ) from error
    return {key for (key,) in found}
