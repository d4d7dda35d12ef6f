"""Optional packages: each is imported where it is needed, and its absence is one error that names the install."""

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from types import ModuleType

from miniseg_edge.errors import MissingDependencyError
from miniseg_edge.telemetry import silenced


def installed(package: str) -> bool:
    """Whether an import of `package` can be tried; imports nothing."""
    return importlib.util.find_spec(package) is not None


def require(module: str, extra: str) -> ModuleType:
    """Imports `module`, which the extra `extra` installs; what vendors' packages report about their use is off.

    Raises:
        MissingDependencyError: names the command that installs it, or the library that it lacks.
    """
    try:
        with nullcontext() if module in sys.modules else silenced():
            return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: a library that the package loads by ctypes is missing
        raise MissingDependencyError(
            f"{module} cannot be imported",
            f"the extra {extra!r}",
            str(error),
            f'pip install "miniseg-edge[{extra}]"',
        ) from error


def check_installed(packages: Iterable[str], extra: str) -> None:
    """Refuses to go on without packages that `extra` installs; imports nothing. Raises: MissingDependencyError."""
    if missing := [package for package in packages if not installed(package)]:
        raise MissingDependencyError(
            "packages are missing",
            f"the extra {extra!r}",
            f"no {', '.join(missing)}",
            f'pip install "miniseg-edge[{extra}]"',
        )


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
