"""Run in a process that can import a vendor's bindings: looks each use up, and prints those that are not there.

Arguments: the module's name; on standard input, the uses as JSON. Standard library alone.
"""

import importlib
import json
import re
import sys
from typing import Any


def problem(module: Any, path: str, arguments: int | None, keywords: list[str]) -> str | None:
    """Why a use cannot be, or None."""
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            return "is not there"
        found = getattr(found, part)
    if arguments is None:
        return None
    if path.endswith(".__init__"):
        arguments -= 1  # called with the object itself
    if isinstance(found, type):
        found = vars(found)["__init__"]
    signatures = _signatures(found.__doc__ or "", found.__name__)
    if not signatures:
        return "has no signature"
    fits = any(_fits(signature, arguments, keywords) for signature in signatures)
    return None if fits else f"takes {' or '.join(map(str, signatures))}, not {arguments} and {keywords}"


def _fits(parameters: list[str], arguments: int, keywords: list[str]) -> bool:
    names = [text.split(":")[0].split("=")[0].strip() for text in parameters]
    optional = sum("=" in text for text in parameters)
    given = arguments + len(keywords)
    return set(keywords) <= set(names[arguments:]) and len(names) - optional <= given <= len(names)


def _signatures(doc: str, name: str) -> list[list[str]]:
    """Of pybind11's docstring, each overload's parameters after `self`."""
    found = []
    for line in re.findall(rf"^(?:\d+\. )?{name}\((.*)\) -> ", doc, re.MULTILINE):
        parameters = [] if line == "*args, **kwargs" else _split(line)
        found.append([text for text in parameters if not text.startswith("self:")])
    return found


def _split(text: str) -> list[str]:
    """At the commas that stand in no bracket."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[(<") - (character in "])>")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


if __name__ == "__main__":
    vendor = importlib.import_module(sys.argv[1])
    wrong = []
    for path, arguments, keywords, where in json.load(sys.stdin):
        if (why := problem(vendor, path, arguments, keywords)) is not None:
            wrong.append([path, why, where])
    print(json.dumps({"version": vendor.__version__, "wrong": wrong}))  # noqa: T201  its answer
