"""Headers with any bytes in any element: a DICOM SEG without an error, or an error of ours; no word about values."""

import logging
import shutil
import traceback
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, tag_for_keyword

from miniseg_edge.errors import MiniSegError
from miniseg_edge.studies import list_series, open_study
from miniseg_edge.studies.seg.dicom_seg import dicom_seg_from_mask, seg_sources
from miniseg_edge.studies.seg.seg_elements import KEYWORDS, SEQUENCES
from tests.runtimes.archive.found import find_series
from tests.studies.raw_headers import Raw, dciodvfy_errors, raw_series, sequence
from tests.studies.series import SIZE, header

SECRET = b"SECRET"
GROUPS = (0x0008, 0x0010, 0x0012, 0x0020, 0x0032, 0x0038, 0x0040)
"""Of patients, studies, series and equipment."""

NAMED = {"Modality"}
"""What an error may quote: it says what the series is, not whose."""

ANY = sorted(
    {entry[4] for tag, entry in DicomDictionary.items() if tag >> 16 in GROUPS and entry[4] and entry[0] != "SQ"}
    - NAMED
)
COPIED = [keyword for keyword in KEYWORDS if keyword not in SEQUENCES]

SAID = [
    *(
        b"1961-02-03",
        b"19610203",
        b"m",
        b"male",
        b"12:30:00",
        b"YES",
        b"NO",
        b"061Y",
        b"61y",
        b"1,5",
        b"-5",
        b"1e3",
        b"2",
    ),
    *(
        b"1.2.3",
        b"1.02.3",
        b"01",
        b"a\\b",
        b"\\",
        b"a=b=c=d",
        b"a^b^c^d^e^f",
        b"\x00",
        b"   ",
        b"\r\n",
        b"\x07",
        b"X" * 70,
    ),
    *(
        b"\x1b$B;3\x1b(B",
        b"\x1b$)C\xfb\xf3",
        b"M\xfcller",
        "王小東".encode(),
        b"\xff\xfe",
        b"\x1b",
        b"0961-01-01",
        b"99991231",
    ),
]
values = st.one_of(
    st.lists(st.sampled_from(SAID), max_size=3).map(b"".join),
    st.binary(max_size=40),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace")),
)
secrets = st.tuples(st.booleans(), values).map(lambda pair: SECRET + pair[1] if pair[0] else pair[1])
claimed = st.one_of(st.none(), st.sampled_from(["UN", "LO", "OB", "US", "DS", "PN", "SQ", "UT", "FD"]))
plain = st.dictionaries(
    st.one_of(st.sampled_from(COPIED), st.sampled_from(COPIED), st.sampled_from(ANY)),
    st.tuples(claimed, secrets),
    max_size=8,
)
items = st.dictionaries(
    st.sampled_from(sorted({k for w in SEQUENCES.values() for k in w.keywords})), secrets, max_size=4
)
sequences = st.dictionaries(
    st.sampled_from(sorted(SEQUENCES)),
    st.one_of(secrets, st.lists(items, max_size=3).map(lambda some: sequence(*some))), max_size=3,
)  # fmt: skip
character_sets = st.one_of(
    st.sampled_from([b"", b"ISO_IR 100", b"ISO_IR 192", b"\\ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"ISO IR 144"]),
    st.sampled_from([b"GB18030", b"ISO_IR 13", b"nonsense", b"ISO 2022 IR 6\\ISO 2022 IR 58", b"UTF-8"]),
    secrets,
)


@st.composite
def headers(draw: st.DrawFn) -> Raw:
    found: dict[str, bytes | tuple[str, bytes] | None] = {"SpecificCharacterSet": draw(character_sets)}
    for keyword, (vr, value) in draw(plain).items():
        found[keyword] = (vr or dictionary_VR(tag_for_keyword(keyword) or 0), value)
    return {**found, **draw(sequences)}


def check(elements: Raw, folder: Path) -> None:
    shutil.rmtree(folder / "series", ignore_errors=True)
    series = raw_series(folder / "series", elements, 2)
    said, sources = "", None
    try:
        study = open_study(series)
        sources = seg_sources(study.geometry, study.origin)
        said = "".join(sources.remarks)
    except MiniSegError as error:
        said = "".join(traceback.format_exception(error))
    assert SECRET.decode() not in said
    if sources is None:
        return
    assume(study.size == SIZE)
    path = folder / "seg.dcm"
    path.write_bytes(dicom_seg_from_mask(np.ones((len(study), *SIZE), np.uint8), sources, "d" * 64))
    assert dciodvfy_errors(path) == []


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(headers())
def test_any_header_gives_a_seg_or_an_error_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, elements: Raw
) -> None:
    check(elements, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=QUIET)
@given(headers())
def test_very_many_headers_give_a_seg_or_an_error_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, elements: Raw
) -> None:
    check(elements, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


def test_the_headers_are_written_as_they_are_said(tmp_path: Path) -> None:
    path = raw_series(tmp_path, {"PatientName": b"\xff\\\x1b", "PatientSex": ("UN", b"m ")}, 1) / "900"
    data = path.read_bytes()
    assert b"\x10\x00\x10\x00PN\x03\x00\xff\\\x1b" in data
    assert b"\x10\x00\x40\x00UN\x00\x00\x02\x00\x00\x00m " in data
    assert header(0).PixelData in data


def test_a_host_that_makes_errors_of_warnings_and_logs_everything_reads_no_header_in_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elements: Raw = {
        "SpecificCharacterSet": b"SECRET-SET", "PatientID": SECRET * 20, "SeriesDescription": SECRET * 20,
        "AcquisitionNumber": SECRET, "SeriesInstanceUID": b"SECRET.1", "ConvolutionKernel": b"\xff" * 20,
        "BodyPartExamined": b"secret;;", "SliceThickness": SECRET,
    }  # fmt: skip
    series = raw_series(tmp_path / "series", elements, 3)
    with caplog.at_level(logging.DEBUG):
        assert [volume.slices for volume in list_series(series)] == [3]
        assert open_study(series).read(1).voxels_hu.shape == SIZE
        assert [len(one.files) for one in find_series(tmp_path).series] == [3]
    assert SECRET.decode() not in caplog.text
