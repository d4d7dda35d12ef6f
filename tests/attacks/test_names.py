"""Names that are not UTF-8, as old archives and careless copies have them, and names that are hostile."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.archive import segment_archive
from miniseg_edge.runtimes.archive.table import rows_in
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.slices.images import write_png
from miniseg_edge.studies import open_study
from tests.runtimes.archive.archives import nifti, of_series
from tests.studies.series import write_series

NAMES = {
    "latin-1": "Müller-Gefäß".encode("latin-1"),
    "shift-jis": "肺の検査".encode("shift-jis"),
    "raw": bytes(value for value in range(1, 256, 2) if value not in b"/."),
    "half of a letter": "肺".encode()[:2],
}


def named(folder: Path, raw: bytes) -> Path:
    """The path in a folder whose name is these bytes."""
    if sys.platform == "win32":
        pytest.skip("names are UTF-16 here")
    path = folder / os.fsdecode(raw)
    try:
        path.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    path.rmdir()
    return path


@pytest.fixture(params=NAMES)
def raw(request: pytest.FixtureRequest) -> bytes:
    return NAMES[request.param]


def test_an_archive_with_such_names_goes_on(raw: bytes, demo_bundle_path: Path, tmp_path: Path) -> None:
    """Names of the archive, a folder, a file that is a series, slices, a broken slice, and the output."""
    root = named(tmp_path, b"in " + raw)
    write_series(root / os.fsdecode(raw), 2, of_series(1))
    for path in write_series(root / "slices", 2, of_series(2)).iterdir():
        path.rename(path.with_name(os.fsdecode(raw) + path.name))
    (root / os.fsdecode(raw + b".nii.gz")).write_bytes(nifti(2))
    (root / os.fsdecode(raw[:100] + b"-broken")).mkdir()
    (root / os.fsdecode(raw[:100] + b"-broken") / os.fsdecode(raw)).write_bytes(bytes(128) + b"DICM" + bytes(200))
    (root / os.fsdecode(raw[:100] + b".txt")).write_text("another file")
    output = named(tmp_path, b"out " + raw)
    formats = ("nifti", "json", "dicom-seg")
    first = segment_archive(demo_bundle_path, root, output, executor="in-process", formats=formats)
    assert (first.series, first.other_files) == (4, 1)
    rows = rows_in(output)
    assert sorted((row.status, row.error_code) for row in rows) == [
        ("done", None), ("done", None), ("failed", "DICOM_SEG"), ("failed", "UNSUPPORTED_FORMAT"),
    ]  # fmt: skip
    for row in rows:
        assert row.source.isprintable()
        assert (row.error or "").isprintable()
    again = segment_archive(demo_bundle_path, root, output, executor="in-process", formats=formats)
    assert (again.earlier, again.slices) == (4, 0)


def test_keys_of_names_that_differ_in_one_such_byte_differ(demo_bundle_path: Path, tmp_path: Path) -> None:
    root = named(tmp_path, b"\xff")
    root.mkdir()
    for letter in (b"\xe4", b"\xe5", "ä".encode()):
        (root / os.fsdecode(letter + b".nii.gz")).write_bytes(nifti(2))
    segment_archive(demo_bundle_path, root, tmp_path / "out", executor="in-process", formats=("json",))
    assert len({row.key for row in rows_in(tmp_path / "out")}) == 3


def test_the_command_takes_them_with_processes(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, output = named(tmp_path, NAMES["latin-1"]), named(tmp_path, NAMES["shift-jis"])
    write_series(root / os.fsdecode(NAMES["raw"]), 2, of_series(1))
    arguments = [str(demo_bundle_path), str(root), "--output", str(output)]
    assert main([*arguments, "--distributed", "processes", "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert all(line.isprintable() for line in shown.split("\n"))
    (row,) = rows_in(output)
    assert row.status == "done"


def test_a_study_and_slices_with_such_names(raw: bytes, demo_bundle_path: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(demo_bundle_path, named(tmp_path, b"bundle " + raw)))
    study = write_series(named(tmp_path, b"study " + raw), 2)
    for path in list(study.iterdir()):
        path.rename(path.with_name(os.fsdecode(raw) + path.name))
    formats = [word for name in ("dicom-seg", "nifti", "png", "json") for word in ("--format", name)]
    output = str(named(tmp_path, b"out " + raw))
    assert main([str(bundle), str(study), "--output", output, *formats]) == 0
    assert len(open_study(study)) == 2
    slices = named(tmp_path, b"slices " + raw)
    write_png(slices / os.fsdecode(raw + b".png"), phantom(1, size=(64, 64)).image)
    assert main([str(bundle), str(slices), "--output", output]) == 0
    assert (Path(output) / os.fsdecode(raw + b"_overlay.png")).is_file()
