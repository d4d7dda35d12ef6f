"""A target and a runtime of another package: one module, one row each, one parameter of the contract."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from miniseg_edge.errors import UsageError
from miniseg_edge.host.plugins import extended
from miniseg_edge.runtimes.backends.registry import registry

INSTALLED = Path(__file__).parent / "installed"


def run(*command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """A command where the toy is installed."""
    environment = {**os.environ, "PYTHONPATH": str(INSTALLED)}
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_it_is_built_judged_released_verified_run_and_measured(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    def done(module: str, *arguments: str) -> str:
        code = f"import sys; from {module} import main; sys.exit(main(sys.argv[1:]))"
        found = run("-c", code, *arguments, folder=tmp_path)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    size = ("--input-size", "32", "32")
    assert "toy fp32" in done(
        "miniseg_edge.export.command", str(tiny_checkpoint_path), "--target", "toy", *size, "--output", "bundle"
    )
    assert (tmp_path / "bundle" / "toy" / "model.toy").is_file()
    assert "toy" in done("miniseg_edge.runtimes.verification.command", "bundle")
    assert "toy 1.0, judged on the artefact" in done(
        "miniseg_edge.runtimes.verification.command", "bundle", "--explain"
    )
    short = ("--rounds", "2", "--duration", "0.2", "--output", "report")
    assert "toy fp32" in done("miniseg_edge.benchmarks.command", "bundle", *short)


@pytest.mark.slow
def test_it_keeps_the_contract_of_all_runtimes() -> None:
    root = Path(__file__).parents[2]
    contract = ("-m", "pytest", "-q", "-k", "toy", "-m", "not slow", "-p", "no:cacheprovider")
    found = run(*contract, "tests/runtimes/backends/test_contract.py", folder=root)
    assert found.returncode == 0, found.stdout[-3000:]
    assert " passed" in found.stdout


def test_where_it_is_not_installed_nobody_knows_it() -> None:
    assert "toy" not in {entry.name for entry in registry()}


@pytest.mark.parametrize(
    ("group", "value", "match"),
    [
        ("miniseg_edge.runtimes", "miniseg_toy:TARGET", "is wrong"),
        ("miniseg_edge.runtimes", "miniseg_toy:NOTHING", "cannot be imported"),
        ("miniseg_edge.runtimes", "nothing_of_that_name:ROW", "cannot be imported"),
        ("miniseg_edge.runtimes", "miniseg_same:ROW", "twice"),
    ],
)
def test_a_wrong_row_is_refused(
    group: str, value: str, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "wrong-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: wrong\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\nwrong = {value}\n")
    (tmp_path / "miniseg_same.py").write_text(
        "from miniseg_edge.runtimes.backends.registry import RuntimeEntry\n"
        "ROW = RuntimeEntry('openvino', 'toy', 'a:B', 'numpy', '')\n"
    )
    for folder in (INSTALLED, tmp_path):
        monkeypatch.syspath_prepend(folder)
    with pytest.raises(UsageError, match=match):
        extended(registry(), group)
