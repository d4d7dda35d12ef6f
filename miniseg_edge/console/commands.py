"""What all commands share: options, exit codes, and errors as one line on standard error."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from miniseg_edge.console import terminal
from miniseg_edge.console.streams import ReaderGoneError, close_quietly, put
from miniseg_edge.console.voice import Voice, speaking
from miniseg_edge.errors import MiniSegError, OutputError, ParityError, UsageError
from miniseg_edge.host.limits import host_limits
from miniseg_edge.printable import printable

DONE, FAILED, USAGE, PARITY_FAILED, INTERRUPTED, READER_GONE = 0, 1, 2, 3, 130, 141

_SIGNALS = "130 interrupted by Ctrl-C, 141 the output was closed."


class Parser(argparse.ArgumentParser):
    """Of a command's options. Arguments may be names of files, so errors quote them as printable text.

    Options are written out: an abbreviation would change its meaning when an option is added.

    Args:
        examples: command lines, which --help shows.
        answers: whether the command can give its answer as JSON.
        only_subcommands: whether a subcommand has the options that all commands have.
        words: of `argparse.ArgumentParser`.
    """

    def __init__(
        self,
        *,
        examples: Sequence[str] = (),
        answers: bool = False,
        only_subcommands: bool = False,
        **words: Any,
    ) -> None:
        super().__init__(**words, allow_abbrev=False)
        self.examples = tuple(examples)
        self.add_argument("--version", action=_Version, nargs=0, help="show the version of miniseg-edge and exit")
        if not only_subcommands:
            self.add_argument("--quiet", action="store_true", help="write only warnings, errors and answers")
        if answers:
            self.add_argument(
                "--json", action="store_true", help="answer with one JSON document; text goes to standard error"
            )

    def error(self, message: str) -> NoReturn:
        """Ends the command with exit code 2."""
        self.exit(USAGE, f"{self.prog}: error: {printable(message)}\n{self.prog} --help shows what it takes.\n")

    def print_help(self, file: Any = None) -> None:
        """Writes the help. Raises: ReaderGoneError."""
        put(file or sys.stdout, self.format_help())

    def format_help(self) -> str:
        """The help, the examples and the exit codes that all commands have."""
        lines = [super().format_help()]
        if self.examples:
            lines += ["\nexamples:\n", *(f"  {example}\n" for example in self.examples)]
        return "".join([*lines, f"\nExit codes of all commands: {_SIGNALS}\n"])


class _Version(argparse.Action):
    """Asks the package only when it is wanted."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: object, option_string: str | None = None
    ) -> NoReturn:
        from miniseg_edge import __version__

        put(sys.stdout, f"miniseg-edge {__version__}\n")
        parser.exit()


def run(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    work: Callable[[argparse.Namespace], bool | None],
) -> int:
    """Reads a command's arguments and does its work; its exit code, as `exit_code_of`, or 141.

    Args:
        parser: the command's own.
        arguments: without the command's name; None: those of the process.
        work: takes the parsed arguments; False if what it had to find out is not so.
    """
    try:
        parsed = parser.parse_args(arguments)
        wanted = Voice(quiet=getattr(parsed, "quiet", False), json=getattr(parsed, "json", False))
        with speaking(wanted):
            code = exit_code_of(lambda: work(parsed))
    except ReaderGoneError:
        return READER_GONE
    return code if close_quietly() else READER_GONE


def exit_code_of(work: Callable[[], bool | None]) -> int:
    """Runs a command's work. Exit codes: 0 done, 1 our error, 2 usage, 3 parity failed, 130 interrupted.

    Args:
        work: False if what it had to find out is not so, which is 1 too; it has said why.

    Raises:
        ReaderGoneError: the reader of standard output has gone.
    """
    try:
        with host_limits():
            return FAILED if work() is False else DONE
    except UsageError as error:
        terminal.fail(str(error))
        return USAGE
    except ParityError as error:
        terminal.fail(str(error))
        return PARITY_FAILED
    except MiniSegError as error:
        terminal.fail(str(error))
        return FAILED
    except OSError as error:
        terminal.fail(
            str(
                OutputError(
                    "the operating system refused access",
                    expected="files that can be read and written, and free space",
                    because=str(error),
                )
            )
        )
        return FAILED
    except KeyboardInterrupt:
        terminal.fail("interrupted; nothing half-written was left")
        return INTERRUPTED
