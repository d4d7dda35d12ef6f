"""The destinations of reports, checked before anything is measured."""

from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.errors import OutputError, OutputExistsError


def outputs_in(folder: Path, names: Sequence[str], *, overwrite: bool) -> tuple[Path, ...]:
    """The files with these names in a folder that may not exist yet. Raises: OutputExistsError, OutputError."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is not a folder", expected="a folder, or nothing yet", got="a file")
    outputs = tuple(folder / name for name in names)
    for path in outputs:
        if path.exists() and not overwrite:
            raise OutputExistsError(
                f"{path} exists", expected="a new file", remedy="Choose another --output or add --overwrite."
            )
    return outputs
