import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.printable import in_html, printable

ANY_TEXT = st.text(st.characters(codec=None))
"""Lone surrogates, too."""

STEERING = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}


@given(ANY_TEXT)
def test_nothing_is_left_that_steers_a_terminal_or_cannot_be_written(text: str) -> None:
    shown = printable(text)
    assert not STEERING & {unicodedata.category(letter) for letter in shown}
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


@given(ANY_TEXT)
def test_escaping_twice_changes_nothing_more(text: str) -> None:
    assert printable(printable(text)) == printable(text)


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_text_for_reading_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\nb\tc\x7f", r"a\r\nb\tc\x7f"),
        ("\x85\u2028\u2029", r"\x85\u2028\u2029"),
        ("\u202egnp.exe\u2066\u2069\u200f\u061c", r"\u202egnp.exe\u2066\u2069\u200f\u061c"),
        ("\ufeff\u200b\u00ad\U000e0041", r"\ufeff\u200b\xad\U000e0041"),
        ("Gef\udce4\udcdf", r"Gef\udce4\udcdf"),
        ("Gefäß 肺 ١٢ \u3000", "Gefäß 肺 ١٢ \u3000"),
        (r"C:\new", r"C:\new"),
    ],
)
def test_each_kind(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANY_TEXT)
def test_html_has_neither_markup_nor_controls(text: str) -> None:
    assert not set(in_html(text)) & set("<>\"'\x1b\n\u202e")
