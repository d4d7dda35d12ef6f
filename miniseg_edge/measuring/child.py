"""The child's side of a measuring process: answers its parent's questions until the input ends."""

import dataclasses
import json
import os
import sys
from typing import Any

from miniseg_edge.errors import MiniSegError


def serve(commands: object) -> None:
    """Answers questions until standard input ends.

    Questions and answers are lines of JSON, on standard input and the original standard output. Anything a vendor
    prints goes to standard error instead.

    Args:
        commands: its public methods are the commands; they return JSON values or dataclasses of them.
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
