import os

import pytest

from miniseg_edge.host.environment import environment_with


def test_variables_are_afterwards_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISEG_OLD", "old")
    monkeypatch.delenv("MINISEG_NEW", raising=False)
    monkeypatch.delenv("MINISEG_THEIRS", raising=False)
    with environment_with({"MINISEG_OLD": "1", "MINISEG_NEW": "2"}, ["MINISEG_THEIRS"]):
        assert (os.environ["MINISEG_OLD"], os.environ["MINISEG_NEW"]) == ("1", "2")
        os.environ["MINISEG_THEIRS"] = "3"
    assert os.environ["MINISEG_OLD"] == "old"
    assert "MINISEG_NEW" not in os.environ
    assert "MINISEG_THEIRS" not in os.environ
