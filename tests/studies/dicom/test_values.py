import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import config
from pydicom.valuerep import validate_value

from miniseg_edge.studies.dicom.values import VALUE_REPRESENTATIONS, is_uid, mended

READINGS = {
    ("AS", "61Y"): "061Y",
    ("AS", "061y"): "061Y",
    ("AS", "6 M"): "006M",
    ("CS", "m "): "M",
    ("CS", "head first"): "HEAD FIRST",
    ("DA", "1961-02-03"): "19610203",
    ("DA", "1961.02.03"): "19610203",
    ("DA", "1961/02/03 "): "19610203",
    ("TM", "12:34"): "1234",
    ("TM", "12:34:56.7891234"): "123456.789123",
    ("TM", "093000 "): "093000",
    ("DS", "72,5"): "72.5",
    ("DS", "1.2345678901234567890"): "1.23456789",
    ("IS", "3.0"): "3",
    ("IS", "+7"): "7",
    ("LO", "CHEST\tCT\r\n3"): "CHEST CT 3",
    ("LO", " padded \0"): "padded",
    ("PN", "Doe^John==  "): "Doe^John==",
    ("PN", "a^b^c^d^e^^"): "a^b^c^d^e",
    ("LT", "one\r\ntwo\\three"): "one\r\ntwo\\three",
    ("UI", "1.2.840\0"): "1.2.840",
    ("SH", "  "): "",
}


@pytest.mark.parametrize(("vr", "text"), READINGS)
def test_what_has_one_reading_gets_it(vr: str, text: str) -> None:
    assert mended(vr, text) == READINGS[vr, text]


@pytest.mark.parametrize(
    ("vr", "text"),
    [
        *[
            ("DA", "03.02.1961"),
            ("DA", "19610231"),
            ("DA", "00000000"),
            ("DA", "99991231"),
            ("DA", "19610203-19620101"),
            ("DA", "1961"),
        ],
        *[("TM", "25:00"), ("TM", "12:34:60"), ("TM", "noon"), ("TM", "1:30")],
        *[("DS", "70 kg"), ("DS", "1e999"), ("DS", "nan"), ("DS", "inf"), ("DS", "1,000.5"), ("DS", "٣")],
        *[("IS", "3a"), ("IS", "99999999999"), ("IS", "1.5"), ("AS", "61"), ("CS", "MÄNNLICH"), ("CS", "X" * 17)],
        *[("LO", "x" * 65), ("SH", "x" * 17), ("LT", "x" * 10241), ("LO", "a\0b"), ("LO", "\x1b$B"), ("LT", "\x07")],
        *[("PN", "a=b=c=d"), ("PN", "a^b^c^d^e^f"), ("PN", "x" * 65), ("PN", "a\x85b")],
        *[("UI", "1.02.3"), ("UI", "1"), ("UI", "1..2"), ("UI", "1." * 33 + "1"), ("UI", "none"), ("UI", "\uff11.2")],
    ],
)
def test_what_has_none_or_several_is_refused(vr: str, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  which one does not matter
        mended(vr, text)
    assert "SECRET" not in str(caught.value)


@given(
    st.sampled_from(VALUE_REPRESENTATIONS), st.one_of(st.text(max_size=80), st.text("0123456789.-:+ YMDM", max_size=20))
)
def test_what_comes_out_is_valid_and_stays_as_it_is(vr: str, text: str) -> None:
    try:
        value = mended(vr, text)
    except ValueError:
        return
    validate_value(vr, value, config.RAISE)
    assert mended(vr, value) == value


def test_unique_identifiers() -> None:
    assert is_uid("1.2.840.10008.1.2")
    assert is_uid("2.25.0")
    assert not any(map(is_uid, ("", "1", "1.2.", "1.2\n", "a.b", "1.2." + "3" * 61)))
