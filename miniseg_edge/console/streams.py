"""Writing to standard output and standard error, also when the reader has gone."""

import os
import sys
from typing import TextIO


class ReaderGoneError(BaseException):
    """The reader of standard output closed it, as `head` does; the command ends silently."""


def put(stream: TextIO, text: str) -> None:
    """Writes at once, so that both streams in one file are in order. Raises: ReaderGoneError, of standard output."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _forget(stream)
        if stream is sys.stdout:
            raise ReaderGoneError from None


def _forget(stream: TextIO) -> None:
    """What the stream still holds goes nowhere, so that the interpreter does not fail to write it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def close_quietly() -> bool:
    """Sends what is left in standard output; False if its reader has gone. Later writes do not report that again."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget(sys.stdout)
        return False
    return True
