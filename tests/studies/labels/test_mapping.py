import numpy as np
import pytest

from miniseg_edge.errors import InputError, UsageError
from miniseg_edge.studies.labels.mapping import LabelMapping


def test_without_names_everything_above_zero_is_lesion() -> None:
    mapping = LabelMapping.from_words([])
    assert mapping.classes == 2
    assert mapping.applied(np.array([[0, 1, 7, 255]], np.uint8), "one").tolist() == [[0, 1, 1, 1]]


def test_named_values_are_classes_and_all_others_background() -> None:
    mapping = LabelMapping.from_words(["1=2", "2=1", "9=1", "255=ignore"])
    assert mapping.classes == 3
    stored = np.array([[0, 1, 2, 3, 9, 255]], np.float32)
    assert mapping.applied(stored, "one").tolist() == [[0, 2, 1, 0, 1, 255]]


@pytest.mark.parametrize(
    "words",
    [["1"], ["1="], ["=1"], ["a=1"], ["1=b"], ["-1=1"], ["1=1", "1=2"], ["1=2"], ["1=0"], ["1=ignore"], ["1=300"]],
)
def test_names_that_make_no_sense_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        LabelMapping.from_words(words)


def test_fractions_are_no_labels() -> None:
    with pytest.raises(InputError, match="not a label map"):
        LabelMapping().applied(np.array([[0.5]], np.float32), "one")
