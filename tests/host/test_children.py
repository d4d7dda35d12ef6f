"""Python children in a current folder full of traps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from miniseg_edge.host.children import python_command
from tests.attacks.hostile_folder import HostileFolder, hostile_folder

SEEN = "def main():\n    import json, sys\n    json.dump([sys.path, sys.argv], sys.stdout)\n    return {code}\n"
"""A module that says where it would import from, and what it was told."""


@pytest.fixture
def folder(tmp_path: Path) -> HostileFolder:
    return hostile_folder(tmp_path)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """What is on the user's PYTHONPATH."""
    path = tmp_path / "library"
    path.mkdir()
    (path / "seen.py").write_text(SEEN.format(code=3))
    return path


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **more}


def test_it_imports_nothing_from_the_current_folder(folder: HostileFolder, tmp_path: Path) -> None:
    (tmp_path / "object.json").write_text('{"a": 1}')
    command = python_command("json.tool", "--compact", str(tmp_path / "object.json"))
    done = folder.run(*command, environment=environment())
    assert (done.returncode, done.stdout) == (0, '{"a":1}\n')
    assert folder.taken == []
    assert folder.opened == []


@pytest.mark.parametrize("safe", ["", "1"])
def test_the_path_is_that_of_a_python_that_was_told_to_be_safe(folder: HostileFolder, library: Path, safe: str) -> None:
    """And PYTHONPATH is the user's: what it names comes first. Arguments and exit code are the child's own."""
    done = folder.run(
        *python_command("seen", "one", "--two"), environment=environment(PYTHONPATH=str(library), PYTHONSAFEPATH=safe)
    )
    path, arguments = json.loads(done.stdout)
    assert (done.returncode, arguments) == (3, ["seen", "one", "--two"])
    assert path[0] == str(library)
    assert not {"", ".", str(folder.path)} & set(path)
    assert folder.taken == []


@pytest.mark.parametrize("entries", ["{library}:", ":{library}", "{library}:."])
@pytest.mark.skipif(os.pathsep != ":", reason="entries are separated otherwise here")
def test_who_puts_the_current_folder_on_pythonpath_gets_it(tmp_path: Path, library: Path, entries: str) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "mine.py").write_text(SEEN.format(code=0))
    listed = environment(PYTHONPATH=entries.format(library=library))
    done = subprocess.run(python_command("mine"), cwd=here, env=listed, capture_output=True, text=True, check=True)
    assert str(here) in json.loads(done.stdout)[0]


def test_what_this_interpreter_was_told_to_ignore_the_child_ignores(library: Path) -> None:
    code = "from miniseg_edge.host.children import python_command; print(*python_command('seen')[1:-3])"
    for flags, wanted in ((["-I"], "-I"), (["-E"], "-E"), (["-s"], "-s"), (["-E", "-s"], "-E -s"), ([], "")):
        shown = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True).stdout
        assert shown.strip() == wanted
