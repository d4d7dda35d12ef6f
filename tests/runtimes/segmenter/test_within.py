"""Deadlines for what cannot be interrupted."""

import argparse
import threading

import pytest

from miniseg_edge.errors import DeadlineError
from miniseg_edge.runtimes.segmenter.within import seconds, within

WAIT_S = 30.0


def test_what_is_done_in_time_gives_its_result() -> None:
    assert within(WAIT_S, lambda: 7, "a sum") == 7


def test_what_it_raises_is_raised() -> None:
    def late() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        within(WAIT_S, late, "a sum")


def test_what_hangs_is_left_behind() -> None:
    goes_on, ended = threading.Event(), threading.Event()

    def hangs() -> None:
        goes_on.wait(WAIT_S)
        ended.set()

    with pytest.raises(DeadlineError, match=r"a sum was not done in time; expected at most 0\.01 s"):
        within(0.01, hangs, "a sum")
    assert not ended.is_set()
    goes_on.set()
    assert ended.wait(WAIT_S)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e300", "soon", ""])
def test_a_deadline_is_a_finite_number_of_seconds(text: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--deadline", type=seconds)
    with pytest.raises(SystemExit):
        parser.parse_args(["--deadline", text])
    assert parser.parse_args(["--deadline", "0.5"]).deadline == 0.5
