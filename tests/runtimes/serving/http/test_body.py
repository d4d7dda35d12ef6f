"""A body holds what was declared, and its memory is freed when it is not needed, even if it is still referenced."""

import weakref

import pytest

from miniseg_edge.errors import RequestError
from miniseg_edge.runtimes.serving.http.body import Body


def test_what_comes_is_taken_once_and_may_be_written_to() -> None:
    body = Body(5)
    found = []
    for piece in (b"ab", b"cde"):
        body.add(piece)
        found.append(body.complete)
    assert found == [False, True]
    taken = body.take()
    assert taken is not None
    taken[0] = ord("X")
    assert bytes(taken) == b"Xbcde"
    assert body.take() is None


@pytest.mark.parametrize("size", [0, 1, 5])
def test_more_than_was_declared_is_refused(size: int) -> None:
    body = Body(size)
    body.add(b"0" * size)
    with pytest.raises(RequestError, match="longer than its Content-Length"):
        body.add(b"0")


def test_a_body_that_is_given_up_has_no_memory_although_a_queue_holds_it() -> None:
    """A request that waits for a thread stays in the pool's queue after it was cancelled."""
    body = Body(2**20)
    memory = weakref.ref(body._memory[0])
    body.forget()
    assert memory() is None
    assert body.take() is None


def test_memory_that_was_taken_goes_with_the_last_view() -> None:
    body = Body(2**20)
    memory = weakref.ref(body._memory[0])
    taken = body.take()
    body.forget()
    assert memory() is not None
    del taken
    assert memory() is None
