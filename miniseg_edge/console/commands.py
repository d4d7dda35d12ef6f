"""Shared by all commands: errors become one line on standard error and an exit code."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from miniseg_edge.console import terminal
from miniseg_edge.errors import MiniSegError, OutputError, ParityError, UsageError
from miniseg_edge.host.limits import host_limits
from miniseg_edge.printable import printable

DONE, FAILED, USAGE, PARITY_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


class Parser(argparse.ArgumentParser):
    """Parses a command's options. Arguments may be file names, so errors quote them as printable text."""

    def error(self, message: str) -> NoReturn:
        """Ends the command with exit code 2."""
        super().error(printable(message))


def exit_code_of(work: Callable[[], bool | None]) -> int:
    """Runs a command's work. Exit codes: 0 done, 1 our error, 2 usage, 3 parity failed, 130 interrupted.

    Args:
        work: returns False if the answer is negative, which also exits with 1; it has printed the reason.
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
