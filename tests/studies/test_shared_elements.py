import io

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset

from miniseg_edge.studies.shared_elements import SharedElements


def header(position: float, modality: str = "CT", rows: int = 512) -> Dataset:
    """A header as it is read from a file: nothing in it is converted yet."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.{position:.0f}"
    made.ImageOrientationPatient, made.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, position]
    made.Modality, made.Rows, made.RescaleType = modality, rows, "HU"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer)


def test_what_is_equal_is_converted_once_and_what_differs_keeps_its_own_value() -> None:
    shared, one, two, three = SharedElements(), header(1), header(2), header(3, rows=256)
    with shared.lent_to(one):
        assert (one.Rows, list(one.ImageOrientationPatient)) == (512, [1, 0, 0, 0, 1, 0])
        assert list(one.ImagePositionPatient) == [0, 0, 1]
    for other, position, rows in ((two, 2, 512), (three, 3, 256)):
        with shared.lent_to(other):
            assert list(other.ImagePositionPatient) == [0, 0, position]
            assert other.Rows == rows
            assert str(other.SOPInstanceUID) == f"1.2.{position}"
        assert other.get_item("ImageOrientationPatient") is one.get_item("ImageOrientationPatient")
    assert two.get_item("Rows") is one.get_item("Rows")


def test_what_nobody_asked_for_is_not_converted() -> None:
    shared, one, two = SharedElements(), header(1), header(1)
    with shared.lent_to(one):
        assert one.Rows == 512
    with shared.lent_to(two):
        pass
    assert two.get_item("Modality").is_raw
    assert not two.get_item("Rows").is_raw


def test_text_depends_on_its_file_and_is_not_shared() -> None:
    shared, one, two = SharedElements(), header(1), header(2)
    with shared.lent_to(one):
        assert one.RescaleType == "HU"
    with shared.lent_to(two):
        assert two.get_item("RescaleType").is_raw
