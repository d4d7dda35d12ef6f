"""Messages of errors are grammatical: the template in every combination, and each message where it is raised."""

import itertools
import re

import pytest

from miniseg_edge import errors
from miniseg_edge.errors import MiniSegError
from tests.error_messages import DETAILS, KINDS, Site, sites

SITES = list(sites())
SAMPLE = {
    "expected": "two rows",
    "got": "three",
    "because": "the file is damaged",
    "remedy": "Copy it again.",
}
COMMAND = r"(?:pip install|openssl|chmod|apt-get|miniseg-\w+|ulimit)\b(?:[^.]|\.\w)*$"
"""A remedy may end with a command to run, which a full stop would spoil."""


@pytest.mark.parametrize("names", [c for n in range(5) for c in itertools.combinations(DETAILS, n)], ids="+".join)
def test_the_template_is_grammatical_in_every_combination(names: tuple[str, ...]) -> None:
    text = str(MiniSegError("the mask is broken", **{name: SAMPLE[name] for name in names}))
    assert problems(text) == []
    expected = "ERROR: the mask is broken"
    expected += ": the file is damaged" if "because" in names else ""
    expected += "; " if {"expected", "got"} & set(names) else ""
    expected += ", ".join(f"{name} {SAMPLE[name]}" for name in ("expected", "got") if name in names)
    expected += ". Copy it again." if "remedy" in names else ""
    assert text == expected


def test_a_library_s_full_stop_is_not_doubled() -> None:
    error = MiniSegError("the model cannot be read", because="Unexpected end of file.", remedy="Copy it again.")
    assert str(error) == "ERROR: the model cannot be read: Unexpected end of file. Copy it again."


def test_there_are_messages_to_read() -> None:
    assert len(SITES) > 500
    raised = {type(site.error) for site in SITES}
    abstract = {errors.MiniSegError, errors.JobError, errors.HostLimitError, errors.SendError, errors.OutputError}
    assert {kind for kind in KINDS.values() if not kind.__subclasses__()} - raised - abstract == set()


def test_details_are_named() -> None:
    assert [str(site) for site in SITES if site.positional != 1 or set(site.keywords) - set(DETAILS)] == []


def test_each_message_is_grammatical() -> None:
    assert [f"{site}: {found}" for site in SITES for found in problems(str(site.error))] == []


def test_problems_are_phrases_and_remedies_are_sentences() -> None:
    assert [f"{site}: {found}" for site in SITES for found in case_and_stops(site)] == []


def problems(text: str) -> list[str]:
    """What is ungrammatical in a message whatever its values are."""
    patterns = {
        "two stops": r"(?<![.\d])\.\.(?![.\dX])|\. \.(?!_)|[;,:] ?[;,](?!\.)",
        "a word twice": r"\b(expected|got|because|the|is|of|a) \1\b",
        "a wrong article": r"\ba (?=[aeio](?!ne))|\ban (?=[bcdfgjkpqtvwz])",
        "spaces": r"  |^ | $",
        "an end that is no sentence": r"[,;:]$",
    }
    return [name for name, pattern in patterns.items() if re.search(pattern, text)]


def case_and_stops(site: Site) -> list[str]:
    """Phrases have no full stop; a remedy begins with a capital, and ends with a full stop or a command."""
    found = []
    for name in ("problem", "expected", "got", "because"):
        if re.search(r"(?<!\.)\.$", getattr(site.error, name)):
            found.append(f"{name} ends with a full stop")
    remedy = site.error.remedy
    if remedy and remedy != "X":
        if not re.match(r"[A-Z]", remedy):
            found.append("remedy begins without a capital")
        if not remedy.endswith(("X", ".")) and not re.search(COMMAND, remedy):
            found.append("remedy ends without a full stop")
    return found
