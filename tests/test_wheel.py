"""What ships: every module of the four folders, and the demo checkpoint, and nothing called `export` at the top."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"miniseg_edge": "miniseg_edge", **{n: f"miniseg_edge/{n}" for n in ("export", "runtimes", "benchmarks")}}


@pytest.mark.slow
def test_the_wheel_holds_every_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*.py")
    }
    data = {
        "miniseg_edge/py.typed",
        "miniseg_edge/training/demo.pth",
        "miniseg_edge/export/demo_plan.json",
        "miniseg_edge/benchmarks/report.css",
    }
    assert shipped == wanted | data
