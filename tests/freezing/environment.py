"""A Python environment with the package, its core dependencies and PyInstaller, and nothing else.

Files are linked from the environment of the tests, so that nothing is fetched.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import pytest

from miniseg_edge.native.binding import PATH
from tests.wheels import built_wheel

FREEZER = ("pyinstaller", "pyinstaller-hooks-contrib", "altgraph", "packaging", "setuptools")
OPENCV = ("opencv-python", "opencv-python-headless")


def core_environment(folder: Path, further: Iterable[str] = ()) -> Path:
    """Makes it in a new folder, with further distributions; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    shown = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(shown, check=True, capture_output=True, text=True).stdout.strip())
    opencv = [name for name in OPENCV if has(name)]
    for name in ("numpy", *opencv, *FREEZER, *further):
        link(name, packages)
    install_ours(folder.with_name(f"{folder.name}-sources"), packages)
    return python


def has(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def link(distribution: str, packages: Path) -> None:
    """Puts a distribution's files there; commands and caches are left out."""
    here = Path(sysconfig.get_path("purelib"))
    for file in importlib.metadata.files(distribution) or ():
        source = Path(str(file.locate()))
        if not source.is_relative_to(here) or ".." in file.parts or "__pycache__" in file.parts:
            continue
        to = packages / file
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, to)
        except OSError:  # on another disk
            shutil.copy2(source, to)


def install_ours(sources: Path, packages: Path) -> None:
    """The wheel without its library, which is long in building, and the library that is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINISEG_EDGE_WITHOUT_LIBRARY", "1")
        wheel = built_wheel(sources)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(packages)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    shutil.copy(PATH, packages / "miniseg_edge" / "native")
