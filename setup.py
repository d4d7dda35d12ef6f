"""Builds libminiseg into the package; everything else of the installation stands in pyproject.toml.

With MINISEG_EDGE_PLATFORM=NAME library and wheel are those of a row of platform_table.py, compiled by zig.
"""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

PACKAGE = Path("miniseg_edge", "native")
WITHOUT_LIBRARY = "MINISEG_EDGE_WITHOUT_LIBRARY"
"""Set to 1, it leaves the library out: for what reads the modules alone, such as type checkers (`make types`)."""

PLATFORM = "MINISEG_EDGE_PLATFORM"
"""Another platform than this machine's, as `make platforms` builds them."""

COMPILER = "ziglang>=0.13"
"""Brings a compiler where the machine has none that will do; needed for the build alone."""


def _without_library() -> bool:
    return os.environ.get(WITHOUT_LIBRARY) == "1"


def _module(name: str) -> ModuleType:
    """One of the package's own, loaded by its path: the package itself needs numpy."""
    path = Path(__file__).parent / PACKAGE / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"miniseg_native_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


def _platform():
    """The row of the platform that is asked for, or None: this machine's."""
    name = os.environ.get(PLATFORM)
    return _module("platform_table").platform_named(name) if name else None


def _build(folder: Path) -> None:
    builder, row = _module("build"), _platform()
    if row is None:
        builder.build(folder)
    else:
        builder.build(folder, builder.zig(row.target), machine=row.machine, system=row.system)


def _has_compiler() -> bool:
    return _without_library() or (_platform() is None and _module("build").has_compiler())


class BuildWithLibrary(build_py):
    """Python's files, then the library beside them: in the wheel, or in the checkout if that is installed editable."""

    def run(self) -> None:
        """Builds both."""
        super().run()
        if _without_library():
            return
        root = Path(__file__).parent if self.editable_mode else Path(self.build_lib)
        _build(root / PACKAGE)


class PlatformWheel(bdist_wheel):
    """A wheel for any Python of one platform: ctypes opens the library."""

    def finalize_options(self) -> None:
        """Not pure."""
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> tuple[str, str, str]:
        """py3-none-platform."""
        row = _platform()
        return "py3", "none", super().get_tag()[2] if row is None else row.wheel


class PlatformDistribution(Distribution):
    """Goes where a platform's packages go."""

    def has_ext_modules(self) -> bool:
        """It has a library."""
        return True


setup(
    setup_requires=[] if _has_compiler() else [COMPILER],
    distclass=PlatformDistribution,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel},
)
