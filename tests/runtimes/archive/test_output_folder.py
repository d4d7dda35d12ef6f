"""What marks a series as done, and what a power cut leaves of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.runtimes.archive.output_folder import OutputFolder
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.storage.output import output_at
from tests.runtimes.archive.row_speed import ROW

DONE = replace(ROW, key="0" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    return OutputFolder(output_at(tmp_path))


def test_a_committed_row_comes_back(folder: OutputFolder, tmp_path: Path) -> None:
    folder.commit(DONE)
    assert folder.row(DONE.key) == DONE
    assert folder.is_done(DONE.key)
    assert [path.name for path in (tmp_path / "series" / DONE.key).iterdir()] == ["row.json"]


@pytest.mark.parametrize("left", [b"", bytes(700), b"cut", b"not json at all", bytes([255]) * 40])
def test_a_row_that_a_power_cut_damaged_is_none(folder: OutputFolder, tmp_path: Path, left: bytes) -> None:
    folder.commit(DONE)
    file = tmp_path / "series" / DONE.key / "row.json"
    file.write_bytes(file.read_bytes()[:-20] if left == b"cut" else left)
    found: Row | None = folder.row(DONE.key)
    assert found is None
