import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import miniseg_edge

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path for folder in ("miniseg_edge", "export", "runtimes", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public_definitions(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, Definition]]:
    """Classes, functions and methods whose names, and whose classes' names, start with no underscore."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield within + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{node.name}.")


def test_the_public_names_are_these() -> None:
    # Names are part of the interface: a change here breaks the programs that import them.
    assert sorted(miniseg_edge.__all__) == [
        "Bundle",
        "MiniSegError",
        "Segmentation",
        "Segmenter",
        "VolumeSegmentation",
        "__version__",
        "load",
        "open_bundle",
    ]


@pytest.mark.parametrize("name", miniseg_edge.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert hasattr(miniseg_edge, name)


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 20


@every_module
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@every_module
def test_every_public_class_and_function_says_what_it_does(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [name for name, node in public_definitions(tree.body) if not ast.get_docstring(node)] == []
