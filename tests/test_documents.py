"""What the documents promise about themselves: a short README, an index of all pages, whole links, a complete API."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import miniseg_edge
import miniseg_edge.studies
from tests.documents import DOCUMENTS, ROOT, text_of

PAGES = [document for document in DOCUMENTS if document.startswith("docs/")]
MAX_README_LINES = 130
MAX_CELL = 600
"""Characters. What is longer is not a cell of a table, but a table or a list of its own."""


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) <= MAX_README_LINES


def test_every_page_is_in_the_index() -> None:
    listed = re.findall(r"^- \[[^]]+\]\(([^)#]+)\)", text_of("docs/index.md"), re.MULTILINE)
    assert sorted(listed) == sorted(Path(page).name for page in PAGES if page != "docs/index.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(text_of(document))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / document).parent / name if name else ROOT / document
        if not target.exists() or (anchor and anchor not in set(anchors(target))):
            broken.append(link)
    assert broken == []


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> Iterator[str]:
    """Of a page's headings, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.*)$", without_code(path.read_text(encoding="utf-8")), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_cells_can_be_read(document: str) -> None:
    rows = re.findall(r"^\|.*\|$", without_code(text_of(document)), re.MULTILINE)
    assert [cell for row in rows for cell in row.split("|") if len(cell) > MAX_CELL] == []


CLASSES = (
    miniseg_edge.Bundle,
    miniseg_edge.Segmenter,
    miniseg_edge.Segmentation,
    miniseg_edge.VolumeSegmentation,
)


def public(kind: type) -> set[str]:
    """The methods, properties and fields of a class."""
    names = {*vars(kind), *getattr(kind, "__dataclass_fields__", {})}
    return {name for name in names if not name.startswith("_")}


def test_the_api_page_has_every_public_name() -> None:
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", without_code(text_of("docs/api.md"))))))
    names = {*miniseg_edge.__all__, *miniseg_edge.studies.__all__}.union(*map(public, CLASSES))
    assert names - words == set()


@pytest.mark.parametrize("function", [miniseg_edge.load, miniseg_edge.open_bundle], ids=lambda one: one.__name__)
def test_the_api_page_has_every_parameter(function: Callable[..., object]) -> None:
    signature = inspect.signature(function)
    heading = re.search(rf"^## `{function.__name__}\((.*)\) -> ", text_of("docs/api.md"), re.MULTILINE)
    assert heading is not None
    stated = inspect.signature(eval(f"lambda {heading[1]}: None", {}))
    assert [(p.name, p.kind, p.default) for p in stated.parameters.values()] == [
        (p.name, p.kind, p.default) for p in signature.parameters.values()
    ]
