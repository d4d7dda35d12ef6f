"""The project's English has none of the mannerisms that `tests.prose` lists."""

import re

import pytest

from tests.documents import DOCUMENTS, ROOT
from tests.prose import MANNERISMS, STAYS, Passage, longest_sentence, mannerisms, passages, widest_line

LONGEST_SENTENCE = 69
"""Words. Lower it when the documents allow it."""
WIDEST_LINE = 139
"""Characters, tables and code aside. Lower it when the documents allow it."""
EXAMPLES = (
    ("the window makes no sense", "makes no sense"),
    ("the path is no folder", "is no folder"),
    ("no such port", "no such"),
    ("the search goes on", "goes on"),
    ("InputError and its kin", "its kin"),
    ("what the reader found is mended", "mended"),
    ("it draws another lesion", "draws another lesion"),
    ("the lesion that was drawn", None),
    ("there is no folder", None),
    ("it is no longer than a second", None),
    ("INT8 is no faster than FP32", None),
    ("pixels are not drawn", None),
)


def test_there_are_no_mannerisms() -> None:
    assert [str(found) for found in mannerisms(passages())] == []


def test_all_kinds_of_prose_are_read() -> None:
    read = list(passages())
    assert {passage.kind for passage in read} == {"document", "docstring", "comment", "string"}
    assert {passage.file for passage in read} >= set(DOCUMENTS)
    assert len(read) > 5000


@pytest.mark.parametrize(("text", "phrase"), EXAMPLES)
def test_a_mannerism_is_found_and_its_like_is_not(text: str, phrase: str | None) -> None:
    found = mannerisms([Passage("README.md", 1, "document", text)])
    assert [one.phrase for one in found] == ([] if phrase is None else [phrase])


def test_each_pattern_finds_something_and_names_an_alternative() -> None:
    assert all(re.compile(pattern) and instead for pattern, instead in MANNERISMS.items())


def test_files_that_are_left_out_exist_and_have_a_reason() -> None:
    assert [file for file, reason in STAYS.items() if not (ROOT / file).exists() or not reason] == []


def test_sentences_and_lines_of_the_documents_do_not_grow() -> None:
    assert longest_sentence()[0] <= LONGEST_SENTENCE, longest_sentence()
    assert widest_line()[0] <= WIDEST_LINE, widest_line()
