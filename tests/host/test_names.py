from pathlib import PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.host.names import is_portable, same_elsewhere


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "CON",
        "con.png",
        "Aux.tar.gz",
        "NUL .txt",
        "com1",
        "LPT9.x",
        "COM¹",
        "CONIN$",
        "a.",
        "a ",
        "a/b",
        "a:b",
    ],
)
def test_a_name_that_windows_has_not_is_none(name: str) -> None:
    assert not is_portable(name)


@pytest.mark.parametrize("name", ["a", ".hidden", "..dots", "console.png", "com", "com10", "Läsion 1.png", "肺.nii.gz"])
def test_a_plain_name_is_one(name: str) -> None:
    assert is_portable(name)


@given(st.text(max_size=8) | st.text("conaux. :1", max_size=8))
def test_what_is_a_name_is_one_part_and_nothing_special_on_windows(name: str) -> None:
    if is_portable(name):
        assert PureWindowsPath("C:/", name).parts == ("C:\\", name)
        assert not PureWindowsPath(name).is_reserved()


def test_names_that_differ_in_case_alone_are_found() -> None:
    assert same_elsewhere(["model.xml", "Model.XML", "model.bin", "STRASSE", "straße"]) == [
        "Model.XML", "STRASSE", "model.xml", "straße",
    ]  # fmt: skip
    assert same_elsewhere(["model.xml", "model.bin"]) == []
