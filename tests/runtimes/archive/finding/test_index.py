"""The index of files: it saves reading, is filtered by, and is rebuilt if it is damaged."""

from pathlib import Path
from typing import Any

import pytest

from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.archive import source
from miniseg_edge.runtimes.archive.finding import find, index, steps
from miniseg_edge.runtimes.archive.finding.records import series_schema
from miniseg_edge.runtimes.archive.finding.where import chosen
from miniseg_edge.runtimes.archive.storage.output import output_at
from tests.runtimes.archive.archives import SERIES, of_series, write_archive
from tests.runtimes.archive.found import Listed, find_series
from tests.studies.series import write_series


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled as soon as they are written."""
    monkeypatch.setattr(source, "SETTLED_S", 0.0)


def rows_of(output: Path) -> list[dict[str, Any]]:
    return [row for table in tables_of(output) for row in table.to_pylist()]


def tables_of(output: Path) -> list[Any]:
    place = output_at(output)
    return [index.read_part(place, index.SERIES, cell, series_schema()) for cell in index.parts(place, index.SERIES)]


def without_place(found: Listed) -> tuple[object, ...]:
    return found.series, found.other_files, found.links_out


def test_a_second_run_reads_only_what_changed(tmp_path: Path) -> None:
    archive, output = write_archive(tmp_path / "in"), tmp_path / "out"
    first = find_series(archive, output)
    assert first.found.read == first.found.files
    second = find_series(archive, output)
    unreadable = 1  # broken/header
    assert second.found.read == unreadable, "what could not be read may be readable now"
    assert without_place(second) == without_place(first)
    write_series(archive / "new", 3, of_series(9))
    (archive / "alone" / "898").unlink()
    third = find_series(archive, output)
    assert third.found.read == unreadable + 3
    assert without_place(third) == without_place(find_series(archive))
    assert len(third.series) == SERIES + 1


def test_what_is_gone_leaves_the_index(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "in" / "a", 3, of_series(1))
    write_series(tmp_path / "in" / "b", 2, of_series(2))
    find_series(tmp_path / "in", tmp_path / "out")
    assert sorted(row["source"] for row in rows_of(tmp_path / "out")) == ["a", "b"]
    for path in folder.iterdir():
        path.unlink()
    find_series(tmp_path / "in", tmp_path / "out")
    assert [row["source"] for row in rows_of(tmp_path / "out")] == ["b"]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" * 100, bytes(1000)])
def test_a_damaged_index_is_made_anew(tmp_path: Path, data: bytes) -> None:
    write_series(tmp_path / "in", 3, of_series(1))
    first = find_series(tmp_path / "in", tmp_path / "out")
    for path in (tmp_path / "out" / "index").rglob("*.parquet"):
        path.write_bytes(data)
    second = find_series(tmp_path / "in", tmp_path / "out")
    assert second.found.read == 3
    assert without_place(second) == without_place(first)


def test_small_pieces_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tasks of each step, as in a large archive."""
    archive = write_archive(tmp_path / "in")
    whole = find_series(archive)
    monkeypatch.setattr(steps, "FILES_A_TASK", 1)
    monkeypatch.setattr(find, "RECORDS_A_TASK", 1)
    assert without_place(find_series(archive)) == without_place(whole)


def test_a_series_says_what_it_is(tmp_path: Path) -> None:
    write_series(tmp_path / "in", 4, of_series(1))
    find_series(tmp_path / "in", tmp_path / "out")
    (row,) = rows_of(tmp_path / "out")
    assert (row["modality"], row["slices"], row["files"], row["rows"], row["columns"]) == ("CT", 4, 4, 64, 48)
    assert len(row["study"]) == 32


@pytest.mark.parametrize(("name", "value"), [("Modality", "SECRET NAME"), ("Modality", ""), ("NumberOfFrames", "0")])
def test_what_makes_no_sense_is_left_out(tmp_path: Path, name: str, value: str) -> None:
    def spoilt(index: int, header: Any) -> None:
        setattr(header, name, value)

    write_series(tmp_path / "in", 2, of_series(1, spoilt))
    find_series(tmp_path / "in", tmp_path / "out")
    (row,) = rows_of(tmp_path / "out")
    assert "SECRET" not in str(row)
    assert row["slices"] == 2


def test_conditions(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "in")
    find_series(archive, tmp_path / "out")
    tables = tables_of(tmp_path / "out")
    names = {row["key"]: row["source"] for row in rows_of(tmp_path / "out")}

    def wanted(where: str) -> set[str]:
        return {names[key] for table in tables for key in chosen(table, where)}

    assert wanted("modality = 'MR'") == {"mr"}
    assert wanted("modality = 'CT' and slices > 4") == {"alone", "torn"}
    assert wanted("source like 'ward/%'") == {"ward/late", "ward/SCAN.NII.GZ", "ward/mask.Nii"}
    assert len(wanted("true")) == len(set(names.values()))


@pytest.mark.parametrize(
    "where",
    [
        *("", "modality =", "patient = 'x'", "slices; drop table x", "modality = 'CT'; select 1"),
        *("key in (select content from read_text('/etc/hostname'))", "key in (select * from '/etc/hostname')"),
        "getenv('HOME') = 'x'",
    ],
)
def test_what_is_no_condition_about_the_index_is_refused(where: str) -> None:
    with pytest.raises(UsageError, match="--where is not a condition"):
        chosen(series_schema().empty_table(), where)
