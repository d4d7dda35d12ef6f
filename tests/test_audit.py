"""`.ci/audit`, offline: pip-audit asks a copy of one record of the Python Packaging Advisory Database."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECORDS = Path(__file__).with_name("osv")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("bash") is None or not Path(sys.executable).with_name("pip-audit").exists(),
        reason="needs bash, and pip-audit beside this Python",
    ),
]


def audit(requirements: Path, folder: Path, database: Path) -> subprocess.CompletedProcess[str]:
    known = {**os.environ, "AUDIT_DATABASE": str(database), "AUDIT_FOLDER": str(folder / "audit")}
    known["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", ".ci/audit", str(requirements)]
    return subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(params=["folder", "archive"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """As kept, and as OSV gives all of them away."""
    if request.param == "folder":
        return RECORDS
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for path in RECORDS.glob("*.json"):
            packed.write(path, path.name)
    return tmp_path / "all.zip"


def test_a_vulnerable_version_is_found_and_named(tmp_path: Path, database: Path) -> None:
    (tmp_path / "pins.txt").write_text("numpy==2.0.0\nonnx==1.12.0\n")
    done = audit(tmp_path / "pins.txt", tmp_path, database)
    assert (done.returncode, done.stderr.strip()) == (1, "onnx 1.12.0: PYSEC-2023-38")


def test_what_is_pinned_has_none_of_the_known_ones(tmp_path: Path) -> None:
    done = audit(ROOT / "constraints.txt", tmp_path, RECORDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("audit passed: ")
    report = json.loads((tmp_path / "audit" / "report.json").read_text())
    assert not [one for one in report["dependencies"] if "skip_reason" in one]


@pytest.mark.parametrize(("version", "code"), [("1.12.1", 1), ("1.12.99.dev1", 1), ("1.13.0", 0), ("1.13.0rc1", 1)])
def test_a_range_ends_where_it_was_mended(tmp_path: Path, version: str, code: int) -> None:
    """None of these is in the record's list."""
    (tmp_path / "pins.txt").write_text(f"onnx=={version}\n")
    assert audit(tmp_path / "pins.txt", tmp_path, RECORDS).returncode == code


def test_a_database_that_was_named_and_is_empty_does_not_pass(tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text("onnx==1.12.0\n")
    (tmp_path / "empty").mkdir()
    done = audit(tmp_path / "pins.txt", tmp_path, tmp_path / "empty")
    assert done.returncode == 1
    assert "gave no answer" in done.stderr
