"""Our loggers and, if a command writes the log itself, the format of its lines."""

import logging
from types import TracebackType

from miniseg_edge.printable import printable

_BELOW = "  | "


def logger_of(name: str) -> logging.Logger:
    """The logger of a module. Its messages are one printable line each, whichever handlers write them."""
    logger = logging.getLogger(name)
    if _escaped not in logger.filters:
        logger.addFilter(_escaped)
    return logger


class LineFormatter(logging.Formatter):
    """Formats records of any library so that each unindented line is a record.

    Lines that follow a record, such as a traceback, are indented; they may contain text from a client.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's name
        """The record's own line."""
        return printable(super().formatMessage(record))

    def formatException(  # noqa: N802  the library's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """A traceback, indented."""
        return _below(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  the library's name
        """A stack, indented."""
        return _below(stack_info)


def _escaped(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), None
    return True


def _below(text: str) -> str:
    return "\n".join(_BELOW + printable(line) for line in text.split("\n"))
