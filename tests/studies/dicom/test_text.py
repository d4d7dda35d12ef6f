# ruff: noqa: RUF001  names in all alphabets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.studies.dicom.text import CharacterSet, character_set, decoded, guessed, replaced

STANDARD = {
    # DICOM PS3.5, annexes H to K, and a name in each single-byte set of PS3.3, table C.12-2
    ("", b"Adams^John"): "Adams^John",
    ("ISO_IR 100", b"Buc^J\xe9r\xf4me"): "Buc^Jérôme",
    ("ISO_IR 101", "Wałęsa^Lech".encode("iso8859_2")): "Wałęsa^Lech",
    ("ISO_IR 109", "Ħamrun^Ġorġ".encode("iso8859_3")): "Ħamrun^Ġorġ",
    ("ISO_IR 110", "Ģirts^Ķēniņš".encode("iso8859_4")): "Ģirts^Ķēniņš",
    ("ISO_IR 126", "Διονυσιος".encode("iso8859_7")): "Διονυσιος",
    ("ISO_IR 127", "قباني^لنزار".encode("iso8859_6")): "قباني^لنزار",
    ("ISO_IR 138", "שרון^דבורה".encode("iso8859_8")): "שרון^דבורה",
    ("ISO_IR 144", "Люкceмбypг".encode("iso8859_5")): "Люкceмбypг",
    ("ISO_IR 148", "Çavuşoğlu".encode("iso8859_9")): "Çavuşoğlu",
    ("ISO_IR 166", "ประเทศไทย".encode("tis_620")): "ประเทศไทย",
    ("ISO_IR 203", "Œuvré €".encode("iso8859_15")): "Œuvré €",
    ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3"): "ﾔﾏﾀﾞ^ﾀﾛｳ",
    ("ISO_IR 192", "Wang^XiaoDong=王^小東=".encode()): "Wang^XiaoDong=王^小東=",
    ("GB18030", "Wang^XiaoDong=王^小东=".encode("gb18030")): "Wang^XiaoDong=王^小东=",
    ("GBK", "Wang=乗^小东".encode("gbk")): "Wang=乗^小东",
    (
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ): "Yamada^Tarou=山田^太郎=やまだ^たろう",
    (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
    ): "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ("\\ISO 2022 IR 87\\ISO 2022 IR 159", b"A=\x1b$(D0!\x1b(B"): "A=丂",
    (
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    ): "Hong^Gildong=洪^吉洞=홍^길동",
    ("\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="): "Zhang^XiaoDong=张^小东=",
    ("ISO 2022 IR 6\\ISO 2022 IR 100\\ISO 2022 IR 144", b"M\x1b-A\xfcller^\x1b-L\xbb\xee\xda"): "Müller^Люк",
    ("ISO 2022 IR 100\\ISO 2022 IR 87", b"M\xfcller=\x1b$B;3ED\x1b(B"): "Müller=山田",
}

FREE = {
    # what scanners write beside the standard, and has one reading
    ("ISO IR 100", b"M\xfcller"): "Müller",
    ("ISO-IR 100", b"M\xfcller"): "Müller",
    ("ISOIR100", b"M\xfcller"): "Müller",
    ("iso_ir 100\0", b"M\xfcller"): "Müller",
    ("ISO-8859-1", b"M\xfcller"): "Müller",
    ("ISO_IR_192", "王".encode()): "王",
    ("UTF-8", "王".encode()): "王",
    ("\\ISO_IR 192", "王".encode()): "王",
    ("ISO_IR 100", b"O\x92Brien"): "O’Brien",
    ("ISO_IR 13", "山田^太郎".encode("shift_jis")): "山田^太郎",
    ("\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"): "Yamada=山田^太郎",
    ("ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(B"): "Yamada=山田",
    ("\\ISO 2022 IR 149", b"=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7=\xc8\xab^\xb1\xe6\xb5\xbf"): "=洪^吉洞=홍^길동",
    ("\\ISO 2022 IR 149", "홍^길동".encode("euc_kr")): "홍^길동",
    ("ISO_IR 149", "홍^길동".encode("euc_kr")): "홍^길동",
    ("", b"\x1b$)C\xfb\xf3"): "洪",
    ("WINDOWS-1251", "Люкс".encode("cp1251")): "Люкс",
    ("BIG5", "王小東".encode("big5")): "王小東",
}


@pytest.mark.parametrize(("terms", "data"), [*STANDARD, *FREE])
def test_names_are_read(terms: str, data: bytes) -> None:
    characters = character_set(terms)
    assert decoded(data, characters, name=True) == (STANDARD | FREE)[terms, data]
    assert characters.known


def test_terms_of_the_standard_are_spelt_right() -> None:
    for terms, _ in STANDARD:
        assert character_set(terms).spelt, terms
    for terms in ("ISO IR 100", "ISO-IR 100", "UTF-8", "iso_ir 100", "nonsense"):
        assert not character_set(terms).spelt, terms


@pytest.mark.parametrize("terms", ["nonsense", "ISO_IR 999", "Secret^Name", "rot13", "unicode_escape", "ISO_IR 100\\?"])
def test_an_unknown_term_is_no_codec_of_pythons(terms: str) -> None:
    assert not character_set(terms).known


@pytest.mark.parametrize(
    ("terms", "data"),
    [
        ("", b"M\xfcller"),
        ("ISO_IR 192", b"M\xfcller"),
        ("\\ISO 2022 IR 87", b"\x1b$B;\x1b(B"),
        ("\\ISO 2022 IR 87", b"\x1b$B;3E"),
        ("\\ISO 2022 IR 87", b"\x1b%G"),
        ("\\ISO 2022 IR 149", b"\x1b$)C\xfb"),
        ("ISO_IR 127", b"\xfe"),
        ("ISO_IR 100", b"\x81"),
    ],
)
def test_what_is_not_in_the_character_set_is_refused(terms: str, data: bytes) -> None:
    with pytest.raises(UnicodeError):
        decoded(data, character_set(terms))


def test_without_a_character_set_utf_8_comes_before_western_european() -> None:
    assert guessed("王".encode()) == "王"
    assert guessed(b"M\xfcller") == "Müller"


def test_a_name_that_is_broken_in_part_keeps_the_rest() -> None:
    assert replaced(b"M\xfcller^Hans", character_set("ISO_IR 192")) == "M\ufffdller^Hans"
    assert replaced(b"Yamada=\x1b$B;\x1b(B", character_set("\\ISO 2022 IR 87")) == "Yamada="
    assert replaced(b"Hong=\xfb", character_set("\\ISO 2022 IR 149")) == "Hong=\ufffd"


@given(st.binary(max_size=60), st.sampled_from(sorted({terms for terms, _ in STANDARD | FREE})))
def test_any_bytes_are_text_without_escapes_or_are_refused(data: bytes, terms: str) -> None:
    characters = character_set(terms)
    try:
        text = decoded(data, characters, name=True)
    except UnicodeError:
        assert replaced(data, characters) is not None
    else:
        assert characters.alone or "\x1b" not in text


@given(st.text(max_size=60))
def test_any_text_names_some_character_set(terms: str) -> None:
    assert isinstance(character_set(terms), CharacterSet)


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=30))
def test_utf_8_is_read_as_it_is(text: str) -> None:
    assert decoded(text.encode(), character_set("ISO_IR 192")) == text
