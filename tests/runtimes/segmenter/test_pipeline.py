"""Items through a function, several in flight: the same as one after another, and never far ahead of who reads."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniseg_edge.runtimes.segmenter.pipeline import in_flight, streamed

WAIT_S = 30.0

Pipeline = Callable[[Callable[[int], int], Iterator[int], int], Iterator[int]]

either = pytest.mark.parametrize("pipeline", [in_flight, streamed])


@either
@given(items=st.lists(st.integers(), max_size=40), count=st.integers(1, 5))
def test_the_same_results_in_the_same_order(pipeline: Pipeline, items: list[int], count: int) -> None:
    assert list(pipeline(lambda item: item * 2 + 1, iter(items), count)) == [item * 2 + 1 for item in items]


@either
@pytest.mark.parametrize("count", [1, 2, 4])
def test_items_are_read_a_few_ahead_and_no_more(pipeline: Pipeline, count: int) -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for index in range(60):
            read.append(index)
            yield index

    results = pipeline(lambda item: item, items(), count)
    for taken in range(1, 61):
        next(results)
        assert len(read) <= taken + 2 * count
    assert list(results) == []


@either
def test_what_work_raises_comes_in_its_place(pipeline: Pipeline) -> None:
    results = pipeline(lambda item: 12 // item, iter([4, 3, 0, 2, 1]), 3)
    assert [next(results), next(results)] == [3, 4]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("count", [1, 3])
def test_a_result_comes_while_the_next_item_is_awaited(count: int) -> None:
    first_taken = threading.Event()

    def scanner() -> Iterator[int]:
        yield 1
        assert first_taken.wait(WAIT_S), "the first result waits for the second item"
        yield 2

    results = streamed(lambda item: item * 10, scanner(), count)
    assert next(results) == 10
    first_taken.set()
    assert list(results) == [20]


def test_what_reading_raises_comes_after_the_results_before_it() -> None:
    def scanner() -> Iterator[int]:
        yield from range(5)
        raise OSError("the scanner is gone")

    results = streamed(lambda item: item, scanner(), 2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="the scanner is gone"):
        next(results)


def test_stopping_early_does_not_wait_for_a_scanner_that_stands_still() -> None:
    goes_on, ended = threading.Event(), threading.Event()

    def scanner() -> Iterator[int]:
        try:
            yield 1
            goes_on.wait(WAIT_S)
            yield 2
            yield 3
        finally:
            ended.set()

    results = streamed(lambda item: item, scanner(), 2)
    assert next(results) == 1
    results.close()  # type: ignore[attr-defined]
    assert not ended.is_set()
    goes_on.set()
    assert ended.wait(WAIT_S), "the reading thread goes on without a reader"


class _Slice:
    pass


def test_memory_does_not_depend_on_the_number_of_items() -> None:
    alive: weakref.WeakSet[_Slice] = weakref.WeakSet()

    def scanner() -> Iterator[_Slice]:
        for _ in range(500):
            made = _Slice()
            alive.add(made)
            yield made
            del made

    most = 0
    for _ in streamed(lambda item: item, scanner(), 3):
        most = max(most, len(alive))
    assert most <= 3 * 2 + 4  # in flight and read ahead; one with the reader, one here, and one between each
    gc.collect()
    assert len(alive) <= 1
