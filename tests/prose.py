"""The project's English as passages, and the mannerisms counted in it: `python -m tests.prose`."""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.documents import DOCUMENTS, ROOT, text_of

PACKAGES = ("miniseg_edge", "runtimes", "export", "benchmarks")

_COMPARED = r"(?:longer|more|less|other|(?:fast|slow|larg|small|bett|fin|new|old|high|low)er)"
"""\"Is no faster\" is plain English."""

MANNERISMS = {
    r"\bmakes? no sense\b": "say what is wrong: invalid, unknown, contradictory",
    rf"(?<!there )\b(is|are|was|were) no (?!{_COMPARED}\b)\w+": "is not a ...",
    r"(?<!has )(?<!have )\bno such\b": "unknown ..., invalid ..., ... does not exist",
    r"\b(goes|go|going|went|gone) on\b": "resume, continue, go ahead",
    r"\bits kin\b": "and subclasses",
    r"\b(a|the|one) doors?\b": "name the function or file",
    r"\bmend(s|ed|ing)?\b": "fix, correct, repair",
    r"\b(draws?|drew|drawn) (\w+ )?(masks?|lesions?|slices?|volumes?|stud(y|ies)|series)\b": "segment",
    r"\b(masks?|lesions?|slices?|volumes?|stud(y|ies)|series) (\w+ )?(draws?|drew|drawn)\b": "segmented",
    r"\bnothing (is|was) said\b|\bsaid outright\b": "the default",
    r"\b(whoever|who asks|nobody|anybody)\b": "name the reader, user, caller; use the passive",
    r"\bwithout a word\b": "silently",
    r"\bstrangers?\b": "untrusted",
    r"\bunforeseen\b": "unexpected",
    r"\bhalf (of|the) (TLS|a validation|the normalisation)\b": "X needs both A and B",
    r"\bunder way\b": "running, in progress",
    r"\banew\b": "again",
    r"\ball the same\b": "anyway, regardless",
    r"\bfor good\b": "permanently",
    r"\bwhat is (no|none)\b": "what is not a ...",
    r"\b(is|are|was|were) to be (had|held|seen)\b": "is available",
    r"\bin words\b": "as text, as a sentence",
}
"""Turns of phrase that a native engineer would not write, each with what to write instead."""

STAYS = {
    "tests/prose.py": "the list itself",
    "tests/test_prose.py": "the tests of the list",
    "CONTRIBUTING.md": "the style page shows what to avoid",
}
"""Files in which mannerisms are not counted, each with the reason."""


@dataclass(frozen=True)
class Passage:
    """A piece of prose: its file, its line, what it is (document, docstring, comment, string), and its text."""

    file: str
    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Found:
    """A mannerism in a passage: the phrase as written, and what to write instead."""

    passage: Passage
    phrase: str
    instead: str

    def __str__(self) -> str:
        return f"{self.passage.file}:{self.passage.line} {self.passage.kind}: {self.phrase!r} -> {self.instead}"


def passages() -> Iterator[Passage]:
    """All prose: documents, docstrings and comments; strings too, but for tests, whose strings are test data."""
    for document in DOCUMENTS:
        yield from _of_document(document)
    for folder in (*PACKAGES, "examples", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from _of_python(path, strings=folder != "tests")
    for folder in ("miniseg_edge/native/src", "examples"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".cpp", ".js"):
                yield from _of_c(path)


def mannerisms(found: Iterable[Passage]) -> list[Found]:
    """In the order of the passages, except in files of `STAYS`."""
    return [
        Found(passage, match[0], instead)
        for passage in found
        if passage.file not in STAYS
        for pattern, instead in MANNERISMS.items()
        for match in re.finditer(pattern, passage.text, re.IGNORECASE)
    ]


def _of_document(document: str) -> Iterator[Passage]:
    """Paragraphs without code: fenced blocks and backquoted spans are blanked."""
    text = re.sub(r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), text_of(document), flags=re.M | re.S)
    line = 1
    for paragraph in re.split(r"(\n\s*\n|\n(?=[-|#] |\d+\. ))", text):
        if paragraph.strip():
            yield Passage(document, line, "document", " ".join(re.sub(r"`[^`]*`", "`x`", paragraph).split()))
        line += paragraph.count("\n")


def _of_python(path: Path, strings: bool) -> Iterator[Passage]:
    name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    documented = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in documented:
                yield Passage(name, node.lineno, "docstring", " ".join(node.value.split()))
            elif strings and " " in node.value.strip():
                yield Passage(name, node.lineno, "string", " ".join(node.value.split()))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield Passage(name, token.start[0], "comment", token.string.lstrip("# "))


def _of_c(path: Path) -> Iterator[Passage]:
    name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for match in re.finditer(r"/\*.*?\*/|(?://[^\n]*\n\s*)+", text, re.DOTALL):
        line = text.count("\n", 0, match.start()) + 1
        yield Passage(name, line, "comment", " ".join(re.sub(r"^\s*(//+|/?\*+/?)", "", match[0], flags=re.M).split()))


def longest_sentence() -> tuple[int, str]:
    """Of the documents, tables aside: its words, and where it is."""
    sentences = (
        (len(sentence.split()), f"{passage.file}:{passage.line}: {sentence[:80]} ...")
        for document in DOCUMENTS
        for passage in _of_document(document)
        if not passage.text.startswith("|")
        for sentence in re.split(r"(?<=[.!?:])\s+(?=[A-Z`*\[])", passage.text)
    )
    return max(sentences)


def widest_line() -> tuple[int, str]:
    """Of the documents, tables, code and links aside: its characters, and where it is."""
    return max(
        (len(line), f"{document}:{number}")
        for document in DOCUMENTS
        for number, line in enumerate(_without_code(text_of(document)).splitlines(), 1)
        if not line.startswith("|")
    )


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), text, flags=re.M | re.S)


def main() -> int:
    """Prints every mannerism, then how many there are of each, the longest sentence and the widest line."""
    found = mannerisms(passages())
    lines = [
        *map(str, found),
        *(f"{count:5} in {kind}s" for kind, count in Counter(one.passage.kind for one in found).most_common()),
        *(f"{count:5} {instead}" for instead, count in Counter(one.instead for one in found).most_common()),
        f"{len(found)} mannerisms",
        "longest sentence: {} words, {}".format(*longest_sentence()),
        "widest line: {} characters, {}".format(*widest_line()),
    ]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
