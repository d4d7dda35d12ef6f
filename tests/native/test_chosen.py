"""MINISEG_EDGE_INSTRUCTION_SET holds the native runtime to older instructions, with the same bits."""

from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.benchmarks.hardware import this_machine
from miniseg_edge.errors import UsageError
from miniseg_edge.native.binding import InstructionSet, instruction_sets
from miniseg_edge.native.chosen import VARIABLE, chosen_instruction_set
from miniseg_edge.phantoms import phantom
from tests.conftest import SIZE


def test_each_set_that_is_here_can_be_asked_for(demo_bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slice_ = phantom(3, size=SIZE).image.astype(np.float32)[None, None]
    answers = []
    for one in instruction_sets():
        name = one.name.lower()
        monkeypatch.setenv(VARIABLE, name)
        with miniseg_edge.load(demo_bundle_path, "native") as segmenter:
            assert segmenter.runtime.version.endswith(f" {name}")
            answers.append(segmenter.runtime.infer(slice_))
        assert this_machine().versions["libminiseg"] == name
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


def test_the_best_is_taken_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert chosen_instruction_set() == max(instruction_sets())
    assert InstructionSet.PLAIN in instruction_sets()


def test_what_is_not_here_is_refused(demo_bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "avx10")
    with pytest.raises(UsageError, match=r"plain.*avx10"):
        miniseg_edge.load(demo_bundle_path, "native")
