"""Every command line of the documents is one that its command takes, and every option that they speak of exists."""

import argparse
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator, Sequence

import pytest
import tomllib

from tests.documents import DOCUMENTS, ROOT, Block, blocks, spans, text_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS: dict[str, str] = PROJECT["scripts"]

PLACEHOLDERS = {"M": "0.5", "S": "0.25", "N": "1", "LOW": "-1250", "HIGH": "250"}
"""Figures that users fill in."""

OTHERS = {
    *("cc", "c++", "docker", "openssl", "sudo", "for", "done", "py", "set", "trtexec", "ruff", "mypy", "vermin"),
    *("du", "kill", "sha256sum", "stat", "segment_native", "pyinstaller"),
}
"""Programs that are not ours."""

OTHERS_OPTIONS = {
    *("--config_path", "--gpus", "--model-repository", "--rest_port", "--port"),  # of model servers
    "--exclude-module",  # of PyInstaller
    "--dicom",  # of `python -m miniseg_edge.phantoms`
    *("--help", "--osv-url", "--public_key", "--signature"),
    *("--cflags", "--libs"),  # of `python -m miniseg_edge.native`, which is not an installed command
}


class _ParsedError(Exception):
    """Says where a command's parser is, in the place of what the command would do next."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands read their arguments, and do nothing."""
    original = argparse.ArgumentParser.parse_args

    def parse_args(self: argparse.ArgumentParser, *arguments: Sequence[str]) -> None:
        original(self, *arguments)
        raise _ParsedError(self)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)


def parse(entry: str, words: Sequence[str]) -> argparse.ArgumentParser:
    """The command's own parser, after it has taken the words; what it does not take ends the test."""
    module, _, name = entry.partition(":")
    try:
        getattr(importlib.import_module(module), name)([PLACEHOLDERS.get(word, word) for word in words])
    except _ParsedError as found:
        return found.parser
    except SystemExit as end:
        raise AssertionError(f"{entry} does not take {shlex.join(words)}") from end
    raise AssertionError(f"{entry} read no arguments")


def command_lines(text: str) -> Iterator[list[str]]:
    """The simple commands of a shell script, word by word, without assignments and redirections."""
    for line in text.replace("\\\n", " ").splitlines():
        if re.match(r"[A-Z_]+=\$\(", line):  # what a command says is kept
            continue
        lexer = shlex.shlex(line.replace("$PWD", "here"), posix=True, punctuation_chars=";|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";|&"):
                if words:
                    yield words
                words = []
            elif words or not re.match(r"(do|[A-Z_]+=.*)$", word):
                words.append(word)


SCRIPTS = [block for document in DOCUMENTS for block in [*blocks(document, "sh"), *blocks(document, "bat")]]


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_the_commands_are_taken(block: Block, parsed: None) -> None:
    for words in command_lines(block.text.replace("\\", "/") if block.language == "bat" else block.text):
        check(words)


def check(words: Sequence[str]) -> None:
    program, *rest = words
    program = program.rpartition("/")[2]
    if program in ("nice", "time"):
        check(rest[2:])
    elif program in COMMANDS:
        parse(COMMANDS[program], rest)
    elif program == "make":
        assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in rest)
    elif program in ("python", "python3") and rest[0] == "-m":
        check_module(rest[1], rest[2:])
    elif program == "pip":
        extras = [extra for word in rest for found in re.findall(r"\[(.*)\]", word) for extra in found.split(",")]
        assert set(extras) <= set(PROJECT["optional-dependencies"])
    elif program == "pytest":
        assert all((ROOT / word).exists() for word in rest if "/" in word)
    elif program == "bash":
        assert (ROOT / rest[0]).is_file()
    else:
        assert program in OTHERS or program in ("python", "python3"), f"{program} is not a command of ours, nor known"


def check_module(name: str, words: Sequence[str]) -> None:
    if not name.startswith("miniseg_edge."):
        assert importlib.util.find_spec(name) is not None, name
        return
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    if spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.command") or spec
    assert spec.origin is not None
    if {"argparse", "Parser"} & importlib.import_module(spec.name).__dict__.keys():
        parse(f"{spec.name}:main", words)
    else:
        assert not words


def test_the_options_that_are_spoken_of_exist(parsed: None) -> None:
    """In the text, where the name of a command, and of its subcommand, may stand before them."""
    known = {words: options for name in COMMANDS for words, options in options_of(name).items()}
    anywhere = set().union(*known.values(), OTHERS_OPTIONS)
    unknown = []
    for document in DOCUMENTS:
        for span in spans(document):
            commands = [words for words in known if f"{span} ".startswith(f"{words} ")]
            allowed = known[max(commands, key=len)] if commands else anywhere
            unknown += [f"{document}: {span}" for o in re.findall(r"(?<![\w-])--[a-z][\w-]*", span) if o not in allowed]
    assert unknown == []


def options_of(command: str) -> dict[str, set[str]]:
    """By "command" or "command subcommand"; a command with subcommands alone has all that these have."""
    module, _, name = COMMANDS[command].partition(":")
    parser: list[argparse.ArgumentParser] = []
    original = argparse.ArgumentParser.parse_args

    def parse_args(self: argparse.ArgumentParser, *_: Sequence[str]) -> None:
        parser.append(self)
        raise _ParsedError(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        with pytest.raises(_ParsedError):
            getattr(importlib.import_module(module), name)([])
    assert argparse.ArgumentParser.parse_args is original
    own = set(parser[0]._option_string_actions)
    choices = [action for action in parser[0]._actions if isinstance(action, argparse._SubParsersAction)]
    found = {
        f"{command} {word}": set(sub._option_string_actions)
        for action in choices
        for word, sub in action.choices.items()
    }
    return {**found, command: own.union(*found.values())}


def test_every_command_is_in_the_readme() -> None:
    assert all(name in text_of("README.md") for name in COMMANDS)
