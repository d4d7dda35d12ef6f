import io
from typing import Any

import pydicom
import pytest
from pydicom.datadict import keyword_dict

from miniseg_edge.studies.seg.seg_copy import MAX_BYTES, MAX_ITEMS, copied
from miniseg_edge.studies.seg.seg_elements import ELEMENTS, KEYWORDS, SEQUENCES, TYPE_2, WHOLES
from tests.studies.raw_headers import Raw, raw_file, sequence
from tests.studies.series import header

CODE = {"CodeValue": b"1", "CodingSchemeDesignator": b"DCM", "CodeMeaning": b"M\xfcller"}


def copy_of(elements: Raw) -> tuple[Any, str]:
    """The copy of a header that holds those bytes, and all remarks."""
    read = pydicom.dcmread(io.BytesIO(raw_file(header(0), {"SpecificCharacterSet": b"ISO_IR 100", **elements})))
    copy, remarks = copied(read)
    assert "SECRET" not in "".join(remarks)
    return copy, "; ".join(remarks)


def test_the_tables_name_elements_of_dicom() -> None:
    assert set(KEYWORDS) <= set(keyword_dict)
    assert len(set(KEYWORDS)) == len(KEYWORDS)
    for whole in (*WHOLES, *SEQUENCES.values()):
        assert set(whole.keywords) <= set(keyword_dict)
    assert set(TYPE_2) <= set(ELEMENTS)


def test_a_valid_header_is_copied_without_a_remark() -> None:
    elements = {
        **{"PatientName": b"M\xfcller^Hans", "PatientID": b"SECRET-ID ", "PatientBirthDate": b"19610203"},
        **{"PatientSex": b"M ", "PatientAge": b"061Y", "StudyDate": b"20240101", "StudyTime": b"120000.123456"},
        **{"StudyDescription": b"Thorax^AThoraxRoutine (Adult)", "SoftwareVersions": b"a\\b", "PatientWeight": b"72.5"},
        **{"OtherPatientNames": b"A^B\\C^D", "PregnancyStatus": b"\x04\x00", "PatientComments": b"one\r\ntwo\\three"},
        "ProcedureCodeSequence": sequence(CODE, CODE),
    }
    copy, remarks = copy_of(elements)
    assert remarks == ""
    assert copy.SpecificCharacterSet == "ISO_IR 192"
    assert (str(copy.PatientName), copy.PatientID, copy.PatientSex) == ("Müller^Hans", "SECRET-ID", "M")
    assert (copy.SoftwareVersions, list(map(str, copy.OtherPatientNames))) == (["a", "b"], ["A^B", "C^D"])
    assert (copy.PatientWeight, copy.PregnancyStatus) == (72.5, 4)
    assert copy.PatientComments == "one\r\ntwo\\three"
    assert [item.CodeMeaning for item in copy.ProcedureCodeSequence] == ["Müller", "Müller"]


def test_nothing_but_the_list_is_copied() -> None:
    copy, _ = copy_of({"ImageComments": b"SECRET", "PatientAddress": b"SECRET", "ProtocolName": b"SECRET"})
    assert {element.keyword for element in copy} <= set(KEYWORDS)
    assert "SECRET" not in str(copy).replace("SECRET-ID", "")


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientBirthDate", b"1961-02-03", "19610203"),
        ("StudyDate", b"2024.01.02", "20240102"),
        ("StudyTime", b"12:34:56", "123456"),
        ("PatientSex", b"m", "M"),
        ("PatientSex", b"female", "F"),
        ("PatientAge", b"61Y ", "061Y"),
        ("PatientWeight", b"72,5", 72.5),
        ("StudyDescription", b"CHEST\tCT", "CHEST CT"),
        ("PatientID", b"123\\", "123"),
        ("PatientID", b"\\123\\123 ", "123"),
        ("ReferringPhysicianName", b"a^b^c^d^e^^", "a^b^c^d^e"),
    ],
)
def test_what_has_one_reading_is_corrected_and_said(keyword: str, value: bytes, expected: object) -> None:
    copy, remarks = copy_of({keyword: value})
    assert copy[keyword].value == expected
    assert remarks in ("", f"DICOM SEG: corrected {keyword}")
    assert remarks or keyword == "PatientID"  # padding is not a fault


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientBirthDate", b"SECRET"),
        ("PatientBirthDate", b"03.02.1961"),
        ("StudyTime", b"noon"),
        ("PatientSex", b"SECRET"),
        ("PatientSex", b"M\xc4NNLICH"),
        ("PatientID", b"SECRET\\OTHER"),
        ("PatientID", b"SECRET" * 11),
        ("PatientID", b"SEC\0RET"),
        ("AccessionNumber", b"SECRET-OF-17-CHARS"),
        ("StudyID", b"SECRET\x1b%G"),
        ("PatientName", b"SECRET=a=b=c"),
        ("ReferringPhysicianName", b"SECRET\x07"),
        ("PatientWeight", b"70 SECRET"),
        ("PatientAge", b"SECRET"),
        ("SeriesNumber", b"SECRET"),
        ("PregnancyStatus", b"\x09\x00"),
        ("SmokingStatus", b"SECRET"),
        ("StudyDescription", b"SECRET" * 11),
        ("StudyDescription", b"SECRET\\SECRET2"),
        ("PatientComments", b"SECRET\x07"),
        ("ReasonForVisit", b"SECRET" + bytes(MAX_BYTES)),
        ("StudyInstanceUID", b"1.02.3"),
        ("FrameOfReferenceUID", b"SECRET"),
        ("PatientIdentityRemoved", b"YES"),
        ("ClinicalTrialProtocolID", b"SECRET"),
        ("SoftwareVersions", b"good\\" + b"SECRET" * 11),
        ("ProcedureCodeSequence", b"SECRETSECRET"),
        ("ProcedureCodeSequence", sequence({"CodeValue": b"SECRET"})),
        ("IssuerOfAccessionNumberSequence", sequence(*[{"LocalNamespaceEntityID": b"SECRET"}] * 2)),
        ("ReferencedStudySequence", sequence({"ReferencedSOPClassUID": b"SECRET", "ReferencedSOPInstanceUID": b"1.2"})),
    ],
)
def test_what_has_no_reading_is_left_out_or_empty_and_said(keyword: str, value: bytes) -> None:
    copy, remarks = copy_of({keyword: value})
    assert not copy.get(keyword)
    assert (keyword in copy) == (keyword in TYPE_2)
    assert remarks == f"DICOM SEG: could not copy, or not completely, {keyword}"


def test_items_have_a_character_set_of_their_own() -> None:
    item = {**CODE, "SpecificCharacterSet": b"ISO_IR 192", "CodeMeaning": "王".encode()}
    copy, remarks = copy_of({"ProcedureCodeSequence": sequence(item, CODE)})
    assert [one.CodeMeaning for one in copy.ProcedureCodeSequence] == ["王", "Müller"]
    assert remarks == ""


def test_a_sequence_without_end_is_cut() -> None:
    copy, remarks = copy_of({"ProcedureCodeSequence": sequence(*[CODE] * (MAX_ITEMS + 1))})
    assert len(copy.ProcedureCodeSequence) == MAX_ITEMS
    assert "ProcedureCodeSequence" in remarks


def test_a_clinical_trial_is_copied_whole() -> None:
    trial = {"ClinicalTrialSponsorName": b"s", "ClinicalTrialProtocolID": b"p", "ClinicalTrialSubjectID": b"i"}
    copy, remarks = copy_of(trial)
    assert (copy.ClinicalTrialSubjectID, copy.ClinicalTrialSiteName, remarks) == ("i", "", "")
    removed = {"PatientIdentityRemoved": b"YES", "DeidentificationMethodCodeSequence": sequence(CODE)}
    copy, remarks = copy_of(removed)
    assert (copy.PatientIdentityRemoved, len(copy.DeidentificationMethodCodeSequence), remarks) == ("YES", 1, "")


def test_implicit_and_big_endian_headers_are_read() -> None:
    source = pydicom.dcmread(io.BytesIO(raw_file(header(0), {"PregnancyStatus": b"\x04\x00", "PatientSex": b"m"})))
    for syntax, implicit, little in (("1.2.840.10008.1.2", True, True), ("1.2.840.10008.1.2.2", False, False)):
        source.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, source, implicit_vr=implicit, little_endian=little)
        copy, _ = copied(pydicom.dcmread(io.BytesIO(buffer.getvalue())))
        assert (copy.PregnancyStatus, copy.PatientSex) == (4, "M")
