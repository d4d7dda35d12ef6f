import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.console.voice import Voice, answering, speaking


@dataclass(frozen=True)
class Found:
    path: Path
    values: tuple[float, ...]


def talk() -> None:
    terminal.say("text")
    terminal.table("Table", ("", "a"), [("row", "1")])
    with terminal.step("step"):
        pass
    assert list(terminal.track([1, 2], "items")) == [1, 2]
    terminal.points("Before you use it:", ["a remark"])
    terminal.warn("careful")
    terminal.answer(Found(Path("a"), (0.5,)))


def test_quiet_leaves_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking(Voice(quiet=True)):
        talk()
    shown = capsys.readouterr()
    assert shown.out == "Before you use it:\n  - a remark\n"
    assert shown.err == "warning: careful\n"


def test_json_is_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking(Voice(json=True)):
        talk()
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"path": "a", "values": [0.5]}
    assert "text\n" in shown.err
    assert "row" in shown.err


def test_an_answer_is_shown_although_quiet_and_not_beside_its_json(capsys: pytest.CaptureFixture[str]) -> None:
    for voice, out in ((Voice(quiet=True), "answer\n"), (Voice(json=True), "{}\n"), (Voice(True, True), "{}\n")):
        with speaking(voice):
            terminal.answer({})
            with answering():
                terminal.say("answer")
        assert capsys.readouterr() == (out, ""), voice


def test_a_command_inside_another_is_as_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    def inner() -> None:
        assert run(Parser(prog="inner"), [], lambda parsed: terminal.say("inner")) == 0

    assert run(Parser(prog="outer"), ["--quiet"], lambda parsed: inner()) == 0
    assert capsys.readouterr() == ("", "")
    assert run(Parser(prog="outer"), [], lambda parsed: inner()) == 0
    assert capsys.readouterr() == ("inner\n", "")


def test_what_is_no_json_is_a_bug() -> None:
    with speaking(Voice(json=True)):
        for content in (object(), float("nan"), sys):
            with pytest.raises((TypeError, ValueError)):
                terminal.answer(content)
