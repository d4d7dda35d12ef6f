"""Whatever the first bytes are taken to say, pydicom says the same."""

import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miniseg_edge.errors import InputError
from miniseg_edge.host.silence import DICOM_LIBRARIES, silence
from miniseg_edge.studies.dicom.content import LOOKED_AT
from miniseg_edge.studies.dicom.file import series_facts_in
from miniseg_edge.studies.dicom.plain_start import SeriesFacts, facts_in_start
from tests.studies.dicom.test_headers import SPOILT
from tests.studies.series import write_series


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write_series(tmp_path / "in", 1) / "900"


def slow(data: bytes) -> SeriesFacts | None:
    try:
        with silence(*DICOM_LIBRARIES):
            return series_facts_in(BytesIO(data), "x")
    except InputError:
        return None


def written(path: Path, syntax: UID, edit: Callable[[Any], None] = lambda header: None) -> bytes:
    header = pydicom.dcmread(path)
    header.file_meta.TransferSyntaxUID = syntax
    edit(header)
    target = BytesIO()
    little = syntax != ExplicitVRBigEndian
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(target, header, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return target.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_plain_file_says_it_in_its_start(plain: Path, syntax: UID) -> None:
    data = written(plain, syntax, lambda header: setattr(header, "NumberOfFrames", 12))
    found = facts_in_start(data[:LOOKED_AT])
    assert found == slow(data)
    assert found is not None
    assert (found.modality, found.frames, found.rows, found.columns) == ("CT", 12, 64, 48)
    assert found.uid == str(pydicom.dcmread(plain).SeriesInstanceUID)


def test_a_file_that_is_not_plain_is_for_pydicom(plain: Path) -> None:
    big = written(plain, ExplicitVRBigEndian)
    assert facts_in_start(big) is None
    found = slow(big)
    assert found is not None
    assert (found.rows, found.columns) == (64, 48)
    good = written(plain, ExplicitVRLittleEndian)
    assert facts_in_start(good[:400]) is None
    assert facts_in_start(good.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")) is None


@pytest.mark.parametrize("fault", sorted(SPOILT))
def test_spoilt_files(plain: Path, fault: str) -> None:
    SPOILT[fault](plain)
    data = plain.read_bytes()
    assert (found := facts_in_start(data[:LOOKED_AT])) is None or found == slow(data)


def test_files_with_any_bytes_changed(plain: Path) -> None:
    rng = random.Random(27)
    good, said = written(plain, ExplicitVRLittleEndian)[:1600], 0
    for _ in range(600):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(132, len(data))] = rng.choice([0, 1, 8, 0x20, 0x28, 0x55, 0x49, 0xFF])
        if (found := facts_in_start(bytes(data))) is not None:
            said += 1
            assert found == slow(bytes(data))
    assert said > 50
