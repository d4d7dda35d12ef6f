"""Every place that raises an error of ours, with its message rendered: `python -m tests.error_messages` prints them."""

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge import errors
from miniseg_edge.errors import MiniSegError
from tests.documents import ROOT
from tests.prose import PACKAGES

KINDS = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, MiniSegError)}
DETAILS = ("expected", "got", "because", "remedy")
_FILLER = "X"
"""Stands for a value that only a run knows."""


@dataclass(frozen=True)
class Site:
    """A call of an error's class: file and line, the error with `X` for values that only a run knows, and its names."""

    file: str
    line: int
    error: MiniSegError
    positional: int
    keywords: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.error}"


def sites() -> Iterator[Site]:
    """In the packages, by file and line. Errors that are made from another error (`**error.details`) are left out."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield from _sites_of(path)


def _sites_of(path: Path) -> Iterator[Site]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    name = path.relative_to(ROOT).as_posix()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: node.lineno):
        kind = call.func.id if isinstance(call.func, ast.Name) else ""
        if kind in KINDS and call.args and all(keyword.arg for keyword in call.keywords):
            details = {str(keyword.arg): _rendered(keyword.value, texts) for keyword in call.keywords}
            error = KINDS[kind](_rendered(call.args[0], texts), **details)
            yield Site(name, call.lineno, error, len(call.args), tuple(details))


def _rendered(node: ast.expr, texts: dict[str, ast.expr]) -> str:
    """The text of an expression: its constants as they are, the first choice of a conditional, X for all else."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_rendered(part, texts) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _rendered(node.value, texts)
    if isinstance(node, ast.IfExp):
        return _rendered(node.body, texts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _rendered(node.left, texts) + _rendered(node.right, texts)
    if isinstance(node, ast.Name) and node.id in texts:
        return _rendered(texts[node.id], {})
    return _FILLER


def main() -> int:
    """Prints each message after its place."""
    sys.stdout.writelines(f"{site}\n" for site in sites())
    return 0


if __name__ == "__main__":
    sys.exit(main())
