"""The table of rows: loose parts of workers, compacted, with each series once at any time."""

import io
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest

from miniseg_edge.errors import IntegrityError, OutputError
from miniseg_edge.runtimes.archive import table
from miniseg_edge.runtimes.archive.output_folder import OutputFolder
from miniseg_edge.runtimes.archive.reconciling import compact
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.storage.output import output_at
from miniseg_edge.runtimes.archive.table import LooseRows, loose_parts, parquet_from_rows, rows_in

ROW = Row(
    key="0" * 32, source="a", files=1, bytes=1, stamp="", known_by="content", content_sha256=None, status="failed",
    slices=0, finding=None, lesion_volume_ml=None, lesions=None, slices_with_findings=None, remarks=None,
    error_code="INPUT", error="", bundle_digest="", runtime=None, device=None, precision=None, input_sha256=None,
    fetch_s=0.0, open_s=0.0, segment_s=0.0, write_s=0.0, seconds=0.0, worker="w", created="2026-01-01",
)  # fmt: skip


def rows(count: int) -> list[Row]:
    return [replace(ROW, key=f"{index * 97 % 16:x}{index:031x}") for index in range(count)]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker writes each row at once, three to a part."""
    monkeypatch.setattr(table, "FLUSH_S", 0.0)
    monkeypatch.setattr(table, "LOOSE_ROWS", 3)


def test_rows_can_be_read_as_soon_as_they_are_written(often: None, tmp_path: Path) -> None:
    loose = LooseRows(output_at(tmp_path))
    for count, row in enumerate(rows(10), 1):
        loose.add(row)
        assert len(rows_in(tmp_path)) == count
    assert len(loose_parts(output_at(tmp_path))) == 4


def test_what_is_waiting_is_written_when_its_worker_leaves(tmp_path: Path) -> None:
    loose = LooseRows(output_at(tmp_path))
    for row in rows(5):
        loose.add(row)
    assert rows_in(tmp_path) == []
    loose.flush()
    assert len(rows_in(tmp_path)) == 5
    before = (tmp_path / loose_parts(output_at(tmp_path))[0]).stat().st_mtime_ns
    loose.flush()
    assert (tmp_path / loose_parts(output_at(tmp_path))[0]).stat().st_mtime_ns == before


def test_of_two_rows_of_a_series_the_newer_counts(often: None, tmp_path: Path) -> None:
    LooseRows(output_at(tmp_path)).add(replace(ROW, created="2026-01-03", source="newer"))
    LooseRows(output_at(tmp_path)).add(replace(ROW, created="2026-01-02", source="older"))
    assert [row.source for row in rows_in(tmp_path)] == ["newer"]


def test_compacting_says_all_that_the_folder_holds(often: None, tmp_path: Path) -> None:
    """Rows of a worker that was killed before it wrote them, too; and no row of a series that is to be done again."""
    (tmp_path / "run.json").touch()
    folder, loose = OutputFolder(output_at(tmp_path)), LooseRows(output_at(tmp_path))
    for row in rows(40):
        folder.commit(row)
    for row in rows(20):
        loose.add(row)
    folder.forget(rows(1)[0].key)
    with folder.locked(), pytest.raises(OutputError, match="in use"):
        compact(tmp_path)
    compact(tmp_path)
    assert rows_in(tmp_path) == sorted(rows(40)[1:], key=lambda row: row.key)
    assert loose_parts(output_at(tmp_path)) == []
    compact(tmp_path)
    assert len(rows_in(tmp_path)) == 39


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" * 100])
def test_a_damaged_part_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "part-0.parquet").write_bytes(data)
    with pytest.raises(IntegrityError, match="cannot be read"):
        rows_in(tmp_path)


def test_a_table_of_another_version_is_refused(tmp_path: Path) -> None:
    found = pyarrow.parquet.read_table(io.BytesIO(parquet_from_rows([ROW]))).drop_columns(["stamp"])
    (tmp_path / "rows").mkdir()
    pyarrow.parquet.write_table(found, tmp_path / "rows" / "part-0.parquet")
    with pytest.raises(IntegrityError, match="Remove the folder rows"):
        rows_in(tmp_path)
