import logging
import os
import sys
import warnings

import pytest

from miniseg_edge.silence import silence, unattended


def speak() -> None:
    logging.getLogger("vendor").critical("SECRET")
    warnings.warn("SECRET", stacklevel=1)


def test_nothing_is_logged_and_nobody_is_warned(caplog: pytest.LogCaptureFixture) -> None:
    with silence():
        speak()
    assert caplog.text == ""
    with pytest.warns(match="SECRET"):
        speak()
    assert "SECRET" in caplog.text


def fail_unattended() -> None:
    with unattended():
        assert os.environ["NNCF_CI"] == "1"
        speak()
        sys.stdout.write("progress")
        sys.stderr.write("progress")
        raise ValueError("all the same")


def test_nothing_is_printed_and_the_environment_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "mine")
    monkeypatch.delenv("NNCF_CI", raising=False)
    before = dict(os.environ)
    with pytest.raises(ValueError, match="all the same"):
        fail_unattended()
    assert dict(os.environ) == before
    assert capsys.readouterr() == ("", "")
