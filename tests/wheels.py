"""The wheel, built from a copy of what it is made of: nothing else gets in, and two builds at once do not meet."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {"miniseg_edge": "miniseg_edge", **{n: f"miniseg_edge/{n}" for n in ("export", "runtimes", "benchmarks")}}
"""Folders of the checkout, and where their modules lie in the wheel."""


def built_wheel(source: Path) -> Path:
    """Copies the sources to `source`, where nothing may be yet, and builds the wheel there."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--wheel", str(source)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("*.whl")
    return wheel
