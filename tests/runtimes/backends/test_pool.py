import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from miniseg_edge.errors import ClosedError
from miniseg_edge.runtimes.backends.pool import Pool


class Item:
    """Counts how many hold it, and how often it was released."""

    def __init__(self) -> None:
        self.holders = self.released = 0

    def release(self) -> None:
        self.released += 1


def pool_of() -> tuple[Pool[Item], list[Item], list[str]]:
    made: list[Item] = []
    closed: list[str] = []

    def make() -> Item:
        made.append(Item())
        return made[-1]

    return Pool(make, lambda: closed.append("closed")), made, closed


def test_no_two_threads_share_an_item_and_no_more_are_made_than_threads() -> None:
    pool, made, _ = pool_of()

    def work(_: int) -> int:
        with pool.borrowed() as item:
            item.holders += 1
            held = item.holders
            item.holders -= 1
            return held

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(work, range(2000))) == {1}
    assert 1 <= len(made) <= 8


def test_no_more_are_made_than_there_may_be_and_the_others_wait() -> None:
    made: list[Item] = []
    pool = Pool(lambda: made.append(Item()) or made[-1], most=2)  # type: ignore[func-returns-value]
    together, seen = threading.Barrier(2), []

    def work(number: int) -> None:
        with pool.borrowed():
            seen.append(number)
            if number < 2:
                together.wait(60)  # both are out at once

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(50)))
    assert (len(made), sorted(seen)) == (2, list(range(50)))


def test_closing_ends_the_wait_for_an_item() -> None:
    pool = Pool(Item, most=1)
    waits = threading.Event()

    def wait() -> str:
        waits.set()
        try:
            with pool.borrowed():
                return "got one"
        except ClosedError:
            return "closed"

    with ThreadPoolExecutor(1) as threads, pool.borrowed():
        waiting = threads.submit(wait)
        waits.wait()
        pool.close()
        assert waiting.result(60) == "closed"


def test_an_item_is_used_again() -> None:
    pool, made, _ = pool_of()
    for _ in range(5):
        with pool.borrowed():
            pass
    assert len(made) == 1


def test_an_item_that_an_error_came_through_is_released_and_replaced() -> None:
    pool, made, _ = pool_of()
    with pytest.raises(ZeroDivisionError), pool.borrowed():
        raise ZeroDivisionError
    with pool.borrowed() as item:
        assert item is made[1]
    assert [one.released for one in made] == [1, 0]


def test_an_item_that_cannot_be_made_leaves_the_pool_usable_and_closable() -> None:
    closed: list[str] = []
    attempts = iter([MemoryError(), None])

    def make() -> Item:
        if (error := next(attempts)) is not None:
            raise error
        return Item()

    pool = Pool(make, lambda: closed.append("closed"))
    with pytest.raises(MemoryError), pool.borrowed():
        pass
    with pool.borrowed():
        pass
    pool.close()
    assert closed == ["closed"]


def test_closing_releases_what_is_spare_and_refuses_later_calls() -> None:
    pool, made, closed = pool_of()
    with pool.borrowed():
        pass
    pool.close()
    pool.close()
    assert [item.released for item in made] == [1]
    assert closed == ["closed"]
    with pytest.raises(ClosedError), pool.borrowed():
        pass


def test_closing_while_busy_waits_for_nobody_and_releases_at_the_end() -> None:
    pool, made, closed = pool_of()
    inside, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with pool.borrowed():
            inside.set()
            go_on.wait()

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    pool.close()
    assert (made[0].released, closed) == (0, [])
    go_on.set()
    thread.join()
    assert (made[0].released, closed) == (1, ["closed"])
