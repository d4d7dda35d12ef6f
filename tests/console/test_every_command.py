"""What all commands have in common, asked of each: --version, --help with examples, no abbreviations, --quiet."""

import importlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomllib

from miniseg_edge import __version__
from miniseg_edge.console.commands import Parser, run
from tests.test_documented_commands import check, parsed

ROOT = Path(__file__).parents[2]
COMMANDS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
BENCH = ("run", "soak", "serve", "archive", "networks", "compare", "self-check")
ALL = [(name,) for name in COMMANDS] + [("miniseg-bench", part) for part in BENCH]

__all__ = ["parsed"]  # the fixture


def called(words: tuple[str, ...], *more: str) -> int:
    """The exit code of a command that ends while it reads its arguments."""
    module, _, name = COMMANDS[words[0]].partition(":")
    with pytest.raises(SystemExit) as end:
        getattr(importlib.import_module(module), name)([*words[1:], *more])
    return int(end.value.code or 0)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_version(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert called(words, "--version") == 0
    assert capsys.readouterr() == (f"miniseg-edge {__version__}\n", "")


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_fits_80_columns_and_has_examples_that_are_taken(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "80")
    assert called(words, "--help") == 0
    shown = capsys.readouterr().out
    text, _, rest = shown.partition("\nexamples:\n")
    examples = [line.strip() for line in rest.partition("\n\n")[0].splitlines()]
    assert examples
    assert all(example.startswith(" ".join(words)) or words == ("miniseg-bench",) for example in examples)
    assert "130 interrupted by Ctrl-C, 141" in shown
    usage = text.partition("\n\n")[0].splitlines()  # argparse keeps an option with its choices whole
    assert [line for line in text.splitlines() if len(line) > 80 and line not in usage] == []
    request.getfixturevalue("parsed")
    for example in examples:
        line = shlex.split(example.partition(" > ")[0])
        check(line)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_options_are_written_out(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert called(words, "--versio") == 2
    shown = capsys.readouterr().err
    assert f"{words[0]}" in shown
    assert "--help shows what it takes" in shown


@pytest.mark.parametrize("words", [one for one in ALL if one != ("miniseg-bench",)], ids=" ".join)
def test_quiet_is_an_option(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert called(words, "--help") == 0
    assert "--quiet" in capsys.readouterr().out


TALKS = """
import sys
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run

def work(parsed):
    {work}

sys.exit(run(Parser(prog="talks"), sys.argv[1:], work))
"""


def closed_at_once(*words: str) -> subprocess.CompletedProcess[str]:
    """A process whose standard output has no reader."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run([sys.executable, *words], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize("words", [[], ["--version"], ["--help"]], ids=str)
def test_output_that_nobody_reads_ends_a_command_quietly(words: list[str]) -> None:
    ended = closed_at_once("-c", TALKS.format(work="[terminal.say('line') for _ in range(10)]"), *words)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_a_command_quietly() -> None:
    work = "import time; terminal.say('ready'); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", TALKS.format(work=work)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "interrupted; nothing half-written was left\n"


def test_an_exit_code_is_the_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Parser(prog="works"), [], lambda parsed: False) == 1
    assert capsys.readouterr() == ("", "")
