"""What ships: every module of the four folders, libminiseg and the demo checkpoint, and no `export` at the top."""

import zipfile
from pathlib import Path

import pytest

from miniseg_edge.native.build import LIBRARY
from tests.wheels import FOLDERS, ROOT, built_wheel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_wheel(tmp_path_factory.mktemp("wheel") / "one")


def test_the_wheel_holds_every_module(wheel: Path) -> None:
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*.py")
    }
    data = {
        "miniseg_edge/py.typed",
        f"miniseg_edge/native/{LIBRARY}",
        "miniseg_edge/native/src/miniseg.h",
        "miniseg_edge/training/demo.pth",
        "miniseg_edge/export/demo_plan.json",
        "miniseg_edge/pages/page.css",
        "miniseg_edge/studies/reports/page/page.css",
        "miniseg_edge/studies/reports/page/page.js",
    }
    assert shipped == wanted | data


def test_the_wheel_is_the_same_bytes_wherever_it_is_built(wheel: Path, tmp_path: Path) -> None:
    other = built_wheel(tmp_path / "deeper" / "two")
    assert (other.name, other.read_bytes()) == (wheel.name, wheel.read_bytes())
