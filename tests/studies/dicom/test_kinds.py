from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from miniseg_edge.studies.dicom.file import Header, header_from_file, is_dicom
from miniseg_edge.studies.dicom.frames import KEYWORDS
from miniseg_edge.studies.dicom.kinds import once_per_kind
from miniseg_edge.studies.source_files import DiskFile
from tests.studies.series import write_enhanced


def header(
    folder: Path, position: float, rows: int = 512, syntax: str = "1.2.840.10008.1.2.1", characters: str = "ISO_IR 100"
) -> Header:
    """A header as it is read from a file: nothing in it is converted yet."""
    made = Dataset()
    made.SpecificCharacterSet = characters
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.{position:.0f}"
    made.ImageOrientationPatient, made.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, position]
    made.Modality, made.Rows = "CT", rows
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    path = folder / f"{position}-{rows}-{syntax}-{characters}.dcm"
    made.save_as(path, enforce_file_format=True)
    return header_from_file(DiskFile(path), KEYWORDS)


def test_what_a_kind_has_in_common_is_worked_out_once(tmp_path: Path) -> None:
    asked = []

    def rows(header: Header) -> int:
        asked.append(header)
        return int(header.dataset.Rows)

    one, two, smaller = header(tmp_path, 1), header(tmp_path, 2), header(tmp_path, 3, rows=256)
    rows_of = once_per_kind(rows)
    assert [rows_of(each) for each in (one, two, smaller, one)] == [512, 512, 256, 512]
    assert asked == [one, smaller]


def test_the_transfer_syntax_makes_a_kind_of_its_own(tmp_path: Path) -> None:
    assert header(tmp_path, 1).kind == header(tmp_path, 2).kind
    assert header(tmp_path, 1).kind != header(tmp_path, 1, syntax="1.2.840.10008.1.2").kind


def test_the_character_set_makes_a_kind_of_its_own(tmp_path: Path) -> None:
    assert header(tmp_path, 1).kind is not None
    assert header(tmp_path, 1).kind != header(tmp_path, 1, characters="ISO_IR 192").kind


def test_a_scanners_series_is_of_one_kind(shared: Path) -> None:
    files = [path for path in (shared / "data/dicom/siemens-chest").rglob("*") if path.is_file() and is_dicom(path)]
    kinds = {header_from_file(DiskFile(path), KEYWORDS).kind for path in files}
    assert len(files) > 1
    assert len(kinds) == 1
    assert None not in kinds


def test_several_frames_are_of_no_kind(tmp_path: Path) -> None:
    file = write_enhanced(tmp_path / "enhanced.dcm")
    enhanced, asked = header_from_file(DiskFile(file), KEYWORDS), list[Header]()
    asked_each_time = once_per_kind(asked.append)
    for _ in range(2):
        asked_each_time(enhanced)
    assert (enhanced.kind, asked) == (None, [enhanced, enhanced])


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    def refuse(header: Header) -> None:
        raise ValueError(header.file.name)

    refused = once_per_kind(refuse)
    for position in (1, 2):
        with pytest.raises(ValueError, match=rf"^{position}"):
            refused(header(tmp_path, position))
