"""Abandoned calls: a call that can be interrupted is, for every kind of caller, and the next one is unaffected."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.architecture import PRESETS
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.errors import CancelledError, DeadlineError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.runtimes.backends.giving_up import Caller, interruptible
from miniseg_edge.runtimes.segmenter.jobs import Jobs
from miniseg_edge.runtimes.segmenter.pipeline import in_flight, streamed
from miniseg_edge.runtimes.segmenter.preparation import PreparedSlice
from miniseg_edge.runtimes.segmenter.segmentation import Segmentation
from miniseg_edge.runtimes.segmenter.within import within
from miniseg_edge.training.checkpoint import save_checkpoint
from tests.conftest import SIZE, STATISTICS, made_once, random_network

WAIT_S = 60.0
PREPARED = PreparedSlice(np.zeros((1, 1, 2, 2), np.float32), (2, 2), ())


class Engine:
    """Work that ends only when it is interrupted; how each call ended."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work(self, item: object = None) -> Segmentation:
        interrupted = threading.Event()

        def interrupt() -> bool:
            interrupted.set()
            return True

        try:
            with interruptible(interrupt):
                self.begun.release()
                assert interrupted.wait(WAIT_S)
        except CancelledError:
            self.ended.put("before")
            raise
        self.ended.put("interrupted")
        raise CancelledError("interrupted")

    def await_begin(self) -> None:
        assert self.begun.acquire(timeout=WAIT_S)

    def how_it_ended(self) -> str:
        return self.ended.get(timeout=WAIT_S)


def in_a_thread(work: Callable[[], object]) -> threading.Thread:
    def quietly() -> None:
        with pytest.raises(CancelledError):
            work()

    thread = threading.Thread(target=quietly)
    thread.start()
    return thread


def test_a_call_that_nobody_waits_for_in_particular_is_not_interrupted() -> None:
    with interruptible(lambda: pytest.fail("nobody gave it up")):
        pass
    assert Caller().calls(divmod, 7, 2) == (3, 1)


def test_what_was_given_up_before_does_not_begin() -> None:
    engine, caller = Engine(), Caller()
    caller.give_up()
    caller.give_up()
    with pytest.raises(CancelledError, match="abandoned"):
        caller.calls(engine.work)
    assert engine.how_it_ended() == "before"


def test_all_calls_of_a_caller_are_interrupted_and_those_of_another_are_not() -> None:
    engine, caller, other = Engine(), Caller(), Caller()
    threads = [in_a_thread(lambda: caller.calls(engine.work)) for _ in range(3)]
    stays = in_a_thread(lambda: other.calls(engine.work))
    for _ in range(4):
        engine.await_begin()
    caller.give_up()
    assert [engine.how_it_ended() for _ in range(3)] == ["interrupted"] * 3
    for thread in threads:
        thread.join(WAIT_S)
    assert stays.is_alive()
    other.give_up()
    assert engine.how_it_ended() == "interrupted"
    stays.join(WAIT_S)


def test_an_interrupt_that_finds_nothing_yet_is_called_again() -> None:
    answers = iter([False, False, True])
    caller, begun, asked = Caller(), threading.Event(), threading.Event()

    def work() -> None:
        def interrupt() -> bool:
            found = next(answers)
            if found:
                asked.set()
            return found

        with interruptible(interrupt):
            begun.set()
            assert asked.wait(WAIT_S)

    thread = threading.Thread(target=caller.calls, args=(work,))
    thread.start()
    assert begun.wait(WAIT_S)
    caller.give_up()
    thread.join(WAIT_S)
    assert list(answers) == []


def test_what_has_ended_is_left_alone() -> None:
    caller = Caller()

    def work() -> int:
        with interruptible(lambda: pytest.fail("it has ended")):
            return 7

    assert caller.calls(work) == 7
    caller.give_up()


def test_a_call_within_a_call_is_its_own_callers() -> None:
    engine, outer, inner = Engine(), Caller(), Caller()
    outer.give_up()
    thread = in_a_thread(lambda: outer.calls(inner.calls, engine.work))
    engine.await_begin()
    inner.give_up()
    assert engine.how_it_ended() == "interrupted"
    thread.join(WAIT_S)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_in_a_forks_child_nothing_is_interrupted() -> None:
    caller, asked = Caller(), []

    def interrupt() -> bool:
        asked.append(True)
        return True

    def work() -> None:
        with interruptible(interrupt):
            child = os.fork()
            if child == 0:
                caller.give_up()
                os._exit(len(asked))
            assert os.waitpid(child, 0)[1] == 0

    caller.calls(work)


def test_a_cancelled_job_ends_its_call() -> None:
    engine = Engine()
    jobs = Jobs(engine.work, 1)
    job = jobs.submit(PREPARED, None)
    engine.await_begin()
    assert job.cancel()
    assert engine.how_it_ended() == "interrupted"
    jobs.close()


def test_a_late_job_ends_its_call() -> None:
    engine = Engine()
    jobs = Jobs(engine.work, 1)
    job = jobs.submit(PREPARED, 2.0)
    engine.await_begin()
    assert isinstance(job.exception(WAIT_S), DeadlineError)
    assert engine.how_it_ended() == "interrupted"
    jobs.close()


@pytest.mark.parametrize("pipeline", [in_flight, streamed])
def test_a_stream_that_nobody_reads_any_more_ends_its_calls(pipeline: Callable[..., Iterator[object]]) -> None:
    engine = Engine()

    def work(item: int) -> object:
        return item if item == 0 else engine.work()

    with closing(pipeline(work, range(5), 2)) as results:  # type: ignore[type-var]
        assert next(results) == 0
        engine.await_begin()
    assert engine.how_it_ended() == "interrupted"


def test_what_is_not_done_within_its_time_is_ended() -> None:
    engine = Engine()
    with pytest.raises(DeadlineError):
        within(0.5, engine.work, "a call")
    assert engine.how_it_ended() in {"interrupted", "before"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The published network for any size."""
    checkpoint = tmp_path_factory.mktemp("published") / "checkpoint.pth"
    save_checkpoint(random_network(PRESETS["miniseg-83k"], 5), STATISTICS, checkpoint)
    request = ExportRequest(checkpoint, Path(), ("native",), size=SIZE, dynamic_size=True)
    return open_bundle(made_once(tmp_path_factory, "any", lambda path: export_bundle(replace(request, output=path))))


def test_the_native_runtime_ends_between_two_layers_and_the_next_run_is_whole(published: Bundle) -> None:
    values = np.random.default_rng(3).random((1, 1, 1536, 1536), np.float32) * 255
    small = values[:, :, :64, :64].copy()
    with miniseg_edge.load(published, "native", threads=1) as segmenter:
        runtime = segmenter.runtime
        expected, small_expected = runtime.infer(values), runtime.infer(small)
        for pause_ms in range(0, 25, 5):
            caller, begun = Caller(), threading.Event()

            def call(caller: Caller = caller, begun: threading.Event = begun) -> object:
                begun.set()
                return caller.calls(runtime.infer, values)

            thread = in_a_thread(call)
            assert begun.wait(WAIT_S)
            time.sleep(pause_ms / 1e3)  # in several places of a run, which takes longer than that
            caller.give_up()
            thread.join(WAIT_S)
            assert not thread.is_alive()
            np.testing.assert_array_equal(runtime.infer(small), small_expected)
        np.testing.assert_array_equal(runtime.infer(values), expected)
