"""The child's side of a process that measures: it answers its parent's questions until there are no more."""

import dataclasses
import json
import os
import sys
from typing import Any

from miniseg_edge.errors import MiniSegError


def serve(commands: object) -> None:
    """Answers questions until standard input ends.

    Questions and answers are lines of JSON, on standard input and on what was standard output. Whatever a vendor prints
    goes to standard error instead.

    Args:
        commands: its public methods are the commands; they return what JSON can carry, or a dataclass of it.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(_answer(commands, **json.loads(line)), default=dataclasses.asdict) + "\n")


def _answer(commands: object, command: str, **arguments: Any) -> dict[str, Any]:
    try:
        return {"answer": getattr(commands, command)(**arguments)}
    except MiniSegError as error:
        return {"error": str(error)}
    except Exception as error:  # the parent reports it
        return {"error": f"{type(error).__name__}: {error}"}
