"""Optional packages: each is imported where it is needed; if it is missing, one error names the install command."""

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType

from miniseg_edge.errors import MissingDependencyError, OutdatedDependencyError
from miniseg_edge.host.telemetry import silenced

FLOORS = {"torch": (2, 10), "onnx": (1, 21)}
"""Older versions have known vulnerabilities: torch.load could execute code, onnx followed paths out of a folder."""

_READ_SETTINGS_HERE = {"matplotlib", "monai"}
"""Packages that read a file in the current folder when they are imported, the second because it imports the first.

That file must not influence a report.
"""

NAMED = (
    *("miniseg-edge", "numpy", "opencv-python", "opencv-python-headless", "torch", "monai", "safetensors"),
    *("onnx", "onnxscript", "onnxruntime", "onnxruntime-gpu", "openvino", "nncf"),
    *("tensorrt", "tensorrt_rtx_cu13_libs", "cuda-bindings", "model-signing", "cryptography"),
)
"""Distributions whose versions records list: those that make, run and verify artefacts."""


def installed(package: str) -> bool:
    """Whether `package` is installed, without importing it."""
    return importlib.util.find_spec(package) is not None


def require(module: str, extra: str) -> ModuleType:
    """Imports `module` of the extra `extra`, with the vendor's telemetry turned off.

    Raises:
        MissingDependencyError: names the command that installs it, or the missing library.
        OutdatedDependencyError: the version is below `FLOORS`; it was not imported.
    """
    check_floor(module.partition(".")[0])
    try:
        with nullcontext() if module in sys.modules else _carefully(module):
            return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:  # libraries that a package loads itself, each in its own way
        raise MissingDependencyError(
            f"{module} cannot be imported",
            expected=f"the extra {extra!r}",
            because=str(error),
            remedy=f'Run: pip install "miniseg-edge[{extra}]"',
        ) from error


@contextmanager
def _carefully(module: str) -> Iterator[None]:
    """For the first import of `module`: no telemetry, and no settings from the current folder."""
    package = module.partition(".")[0]
    spec = importlib.util.find_spec(package) if package in _READ_SETTINGS_HERE - sys.modules.keys() else None
    with silenced(module), nullcontext() if spec is None or spec.origin is None else _in_folder_of(spec.origin):
        yield


@contextmanager
def _in_folder_of(file: str) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(Path(file).parent)
    try:
        yield
    finally:
        os.chdir(before)


def check_installed(packages: Iterable[str], extra: str) -> None:
    """Refuses to continue if packages of `extra` are missing or below `FLOORS`; imports nothing.

    Raises:
        MissingDependencyError, OutdatedDependencyError: name the command that installs them.
    """
    packages = tuple(packages)
    if missing := [package for package in packages if not installed(package)]:
        raise MissingDependencyError(
            "packages are missing",
            expected=f"the extra {extra!r}",
            got=f"no {', '.join(missing)}",
            remedy=f'Run: pip install "miniseg-edge[{extra}]"',
        )
    for package in packages:
        check_floor(package)


def check_floor(package: str) -> None:
    """Refuses a package whose version is below `FLOORS`; imports nothing. Raises: OutdatedDependencyError."""
    if (floor := FLOORS.get(package)) is None or (found := _version(package)) is None:
        return
    release = re.match(r"\d+(\.\d+)*", found)
    if release is None or tuple(map(int, release[0].split("."))) < floor:
        wanted = f"{package} {'.'.join(map(str, floor))} or newer"
        raise OutdatedDependencyError(
            f"{package} has known vulnerabilities",
            expected=wanted,
            got=found,
            remedy=f'Run: pip install "{package}>={wanted.split()[1]}"',
        )


@functools.cache
def _version(package: str) -> str | None:
    return versions((package,)).get(package)


def versions(distributions: Iterable[str] = NAMED) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
