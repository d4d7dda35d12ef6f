"""Rules decide by the first that fits; a file with anything else in it is refused."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.node.rules import CT_ALONE, Rules, rules_from_file

TEXT = """
otherwise = "ignore"
other_classes = "ignore"

[[rule]]
modality = "CT"
body_part = ["head", "brain"]
then = "refuse"

[[rule]]
modality = "CT"
description = ["*lung*", ""]
thickness_mm = [0.5, 3]
kernel = "B?0*"
then = "take"
"""


def header(**elements: object) -> Dataset:
    found = Dataset()
    for keyword, value in {"Modality": "CT", "SliceThickness": 1, "ConvolutionKernel": "B70f", **elements}.items():
        setattr(found, keyword, value)
    return found


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    (tmp_path / "rules.toml").write_text(TEXT)
    return rules_from_file(tmp_path / "rules.toml")


@pytest.mark.parametrize(
    ("elements", "answer"),
    [
        ({"SeriesDescription": "Thorax LUNG 1.0"}, "take"),
        ({}, "take"),
        ({"SeriesDescription": "Abdomen"}, "ignore"),
        ({"SliceThickness": 5}, "ignore"),
        ({"SliceThickness": "3.0"}, "take"),
        ({"SliceThickness": None}, "ignore"),
        ({"ConvolutionKernel": ["B70f", "3"]}, "take"),
        ({"ConvolutionKernel": "FC51"}, "ignore"),
        ({"BodyPartExamined": "HEAD"}, "refuse"),
        ({"Modality": "MR"}, "ignore"),
    ],
)
def test_the_first_rule_that_fits_decides(rules: Rules, elements: dict[str, object], answer: str) -> None:
    assert rules.answer(header(**elements)) == answer


def test_other_classes_are_answered_as_the_file_says(rules: Rules) -> None:
    assert (rules.other_classes, CT_ALONE.other_classes) == ("ignore", "refuse")


def test_without_a_file_every_ct_is_taken() -> None:
    assert [CT_ALONE.answer(header(Modality=modality)) for modality in ("CT", "MR")] == ["take", "refuse"]


@pytest.mark.parametrize(
    "text",
    [
        "rule = 3",
        "[[rule]]",
        '[[rule]]\nthen = "keep"',
        '[[rule]]\nthen = "take"\nmodalities = "CT"',
        '[[rule]]\nthen = "take"\nkernel = 3',
        '[[rule]]\nthen = "take"\nthickness_mm = [3, 1]',
        '[[rule]]\nthen = "take"\nthickness_mm = ["1", "3"]',
        'otherwise = "maybe"',
        'other_classes = "take"',
        "colour = 1",
        "not toml",
        "\x00",
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(UsageError):
        rules_from_file(tmp_path / "rules.toml")


def test_the_example_of_the_documentation_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "node.md").read_text()
    (tmp_path / "rules.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    assert len(rules_from_file(tmp_path / "rules.toml").rules) == 2
