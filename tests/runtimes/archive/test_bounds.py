"""A series that is too large for a worker fails before it is fetched, and its row says what was allowed."""

from pathlib import Path

import fsspec
import numpy as np
import pytest

from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.archive import Bounds, segment_archive
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.source import UrlSource
from miniseg_edge.runtimes.archive.table import rows_in
from miniseg_edge.runtimes.segment_command import main
from tests.runtimes.archive.archives import of_series
from tests.studies.niftis import write_nifti
from tests.studies.series import SIZE, write_series

MANY = 60
"""Slices of a series that needs more than a MiB."""


def rows_of(bundle: Path, source: str | Path, output: Path, bounds: Bounds) -> dict[str, Row]:
    segment_archive(bundle, source, output, executor="in-process", bounds=bounds)
    return {row.source: row for row in rows_in(output)}


def test_memory_is_judged_by_the_index(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "long", MANY, of_series(1))
    write_series(tmp_path / "in" / "short", 3, of_series(2))
    rows = rows_of(demo_bundle_path, tmp_path / "in", tmp_path / "out", Bounds(memory_mb=1))
    assert rows["short"].status == "done"
    row = rows["long"]
    assert (row.status, row.error_code, row.content_sha256, row.fetch_s) == ("failed", "MEMORY", None, 0.0)
    assert f"at most 1 MiB, got 2 MiB for {MANY * SIZE[0] * SIZE[1]:,} voxels" in str(row.error)
    assert "--max-memory" in str(row.error)


def test_a_nifti_file_is_judged_by_its_header(demo_bundle_path: Path, tmp_path: Path) -> None:
    """The index does not know how large it is, nor does its compressed size tell."""
    write_nifti(tmp_path / "in" / "scan.nii.gz", np.zeros((*SIZE, MANY), np.int16))
    rows = rows_of(demo_bundle_path, tmp_path / "in", tmp_path / "out", Bounds(memory_mb=1))
    row = rows["scan.nii.gz"]
    assert (row.status, row.error_code) == ("failed", "MEMORY")
    assert row.bytes < 2**16, "compressed"


def test_nothing_of_too_large_a_series_is_fetched(
    demo_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "in" / "long", 200, of_series(1))
    memory = fsspec.filesystem("memory")
    memory.put(f"{tmp_path / 'in'}/", "/bounds/", recursive=True)
    monkeypatch.delattr(UrlSource, "fetched")
    try:
        (row,) = rows_of(demo_bundle_path, "memory://bounds", tmp_path / "out", Bounds(size_mb=1)).values()
    finally:
        memory.rm("/bounds", recursive=True)
    assert (row.status, row.error_code) == ("failed", "TOO_LARGE")
    assert "at most 1 MiB in its files, got 2 MiB in 200" in str(row.error)


def test_a_larger_bound_is_another_try_and_no_other_output(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "in", MANY, of_series(1))
    words = [str(demo_bundle_path), str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    words += ["--distributed", "in-process", "--retry-failed"]
    assert main([*words, "--max-memory", "1"]) == 1
    assert main([*words, "--max-memory", "2"]) == 0


@pytest.mark.parametrize("value", [0, -1, 2**40])
def test_what_is_no_bound(value: int) -> None:
    with pytest.raises(UsageError, match="--max-size"):
        Bounds(size_mb=value)
    with pytest.raises(UsageError, match="--max-memory"):
        Bounds(memory_mb=value)
