"""The step for mercure and MONAI Deploy, run as they run it, but without a container."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import miniseg_edge
from tests.runtimes.node.scanner import seg_of, wanted, write_phantoms

STEP = Path(__file__).parents[3] / "examples" / "step"
HOSTS = {
    "mercure": ("MERCURE_IN_DIR", "MERCURE_OUT_DIR"),
    "MONAI Deploy": ("HOLOSCAN_INPUT_PATH", "HOLOSCAN_OUTPUT_PATH"),
    "MONAI Deploy before 1.0": ("MONAI_INPUTPATH", "MONAI_OUTPUTPATH"),
}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of POSIX")


def run(bundle: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    words = {"PATH": path, "MINISEG_BUNDLE": str(bundle), "HOME": "/nonexistent", **environment}
    return subprocess.run(["sh", str(STEP / "step.sh")], env=words, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("host", HOSTS)
def test_the_step_writes_the_seg_where_its_host_looks(host: str, demo_bundle_path: Path, tmp_path: Path) -> None:
    write_phantoms(tmp_path / "in", 3, 0)
    for path in list((tmp_path / "in").iterdir()):
        path.rename(path.with_name(f"1.2.3#{path.name}.dcm"))  # as mercure names them
    if host == "mercure":
        (tmp_path / "in" / "task.json").write_text('{"process": {"settings": {}}}')
    (tmp_path / "out").mkdir()
    into, out = HOSTS[host]
    done = run(demo_bundle_path, **{into: str(tmp_path / "in"), out: str(tmp_path / "out")})
    assert done.returncode == 0, done.stderr
    (tmp_path / "in" / "task.json").unlink(missing_ok=True)
    with miniseg_edge.load(demo_bundle_path) as segmenter:
        assert seg_of((tmp_path / "out" / "mask.dcm").read_bytes()).is_like(wanted(segmenter, tmp_path / "in"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"mask.dcm", "findings.json"}


def test_a_step_without_images_fails(demo_bundle_path: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = run(demo_bundle_path, MERCURE_IN_DIR=str(tmp_path / "in"), MERCURE_OUT_DIR=str(tmp_path / "out"))
    assert done.returncode == 1
    assert "NO_IMAGES" in done.stderr


def test_the_manifests_have_what_their_specifications_ask_for() -> None:
    app, pkg, mercure = (json.loads((STEP / name).read_text()) for name in ("app.json", "pkg.json", "mercure.json"))
    assert {"type", "command", "input", "output"} <= app.keys()
    assert app["input"].keys() == {"path", "formats"}
    assert app["output"].keys() == {"path", "format"}
    assert app["command"].startswith(pkg["applicationRoot"])
    assert {model["name"] for model in pkg["models"]} == {"miniseg"}
    assert json.loads(mercure["modules"]["miniseg"]["environment"]) == {"MINISEG_FORMATS": "dicom-seg"}


def test_the_recipe_copies_what_is_here() -> None:
    recipe = (STEP / "Containerfile").read_text()
    copied = re.findall(r"examples/step/([\w.]+)", recipe.replace("examples/step/Containerfile", ""))
    assert {"step.sh", "app.json", "pkg.json"} == {name for name in copied if (STEP / name).is_file()} == set(copied)
    assert json.loads((STEP / "app.json").read_text())["command"] in recipe
