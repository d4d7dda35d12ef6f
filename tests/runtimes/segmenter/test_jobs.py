"""Slices handed over: each future is settled once, by what comes first, and the queue stays usable."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.errors import (
    BusyError,
    CancelledError,
    ClosedError,
    DeadlineError,
    InputError,
    MiniSegError,
    NumericError,
    UsageError,
)
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segmenter.jobs import MAX_JOBS, Jobs
from miniseg_edge.runtimes.segmenter.preparation import PreparedSlice
from miniseg_edge.runtimes.segmenter.segmentation import Segmentation
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.slices.preprocessing import ByteArray

WAIT_S = 60.0
RESULT = Segmentation(np.zeros((2, 2), np.uint8), None, "", "", "", "")
PREPARED = PreparedSlice(np.zeros((1, 1, 2, 2), np.float32), (2, 2), ())


def slices(count: int) -> list[ByteArray]:
    return [phantom(seed, size=(64, 64)).image for seed in range(count)]


@pytest.fixture
def segmenter(bundle: Bundle) -> Iterator[Segmenter]:
    with miniseg_edge.load(bundle, threads=1) as opened:
        yield opened


class _Gate:
    """Work that is begun and then stands still until the gate is opened, as an engine that hangs."""

    def __init__(self) -> None:
        self.begun, self.opened = threading.Event(), threading.Event()
        self.jobs = Jobs(self.work, 1)

    def work(self, prepared: PreparedSlice) -> Segmentation:
        self.begun.set()
        assert self.opened.wait(WAIT_S)
        return RESULT


@pytest.fixture
def gate() -> Iterator[_Gate]:
    made = _Gate()
    yield made
    made.opened.set()
    made.jobs.close()


def test_futures_hold_the_serial_results(segmenter: Segmenter) -> None:
    work = slices(20)
    jobs = [segmenter.submit(slice_) for slice_ in work]
    for slice_, job in zip(work, jobs, strict=True):
        np.testing.assert_array_equal(job.result(WAIT_S).logit, segmenter.segment(slice_).logit)


def test_hu_are_handed_over_too(segmenter: Segmenter) -> None:
    hu = slices(1)[0].astype(np.int16) * 5 - 1000
    np.testing.assert_array_equal(segmenter.submit_hu(hu).result(WAIT_S).logit, segmenter.segment_hu(hu).logit)


def test_the_array_is_the_callers_again_at_once(segmenter: Segmenter) -> None:
    slice_ = slices(1)[0].astype(np.float32)
    expected = segmenter.segment(slice_).logit
    job = segmenter.submit(slice_)
    slice_[:] = 0
    np.testing.assert_array_equal(job.result(WAIT_S).logit, expected)


def test_a_bad_slice_is_refused_at_once_and_the_next_call_works(segmenter: Segmenter) -> None:
    with pytest.raises(InputError):
        segmenter.submit(np.zeros((2, 2, 2), np.uint8))
    assert segmenter.submit(slices(1)[0]).result(WAIT_S).mask.shape == (64, 64)


def test_an_engines_error_is_the_futures(gate: _Gate) -> None:
    def fails(prepared: PreparedSlice) -> Segmentation:
        raise NumericError("the output is not finite")

    jobs = Jobs(fails, 2)
    assert isinstance(jobs.submit(PREPARED, None).exception(WAIT_S), NumericError)
    jobs.close()


@pytest.mark.parametrize("begun", [True, False])
def test_a_cancelled_job_says_so_begun_or_not(gate: _Gate, begun: bool) -> None:
    first = gate.jobs.submit(PREPARED, None)
    second = gate.jobs.submit(PREPARED, None)
    assert gate.begun.wait(WAIT_S)
    job = first if begun else second
    assert job.cancel()
    assert job.cancel()
    assert job.cancelled()
    assert job.done()
    for kind in (CancelledError, concurrent.futures.CancelledError, MiniSegError):
        with pytest.raises(kind):
            job.result()
    gate.opened.set()
    other = second if begun else first
    assert other.result(WAIT_S) is RESULT
    assert not other.cancel()
    assert not other.cancelled()
    assert gate.jobs.submit(PREPARED, None).result(WAIT_S) is RESULT


@pytest.mark.parametrize("begun", [True, False])
def test_a_late_job_fails_at_its_deadline_even_if_the_engine_hangs(gate: _Gate, begun: bool) -> None:
    if not begun:
        gate.jobs.submit(PREPARED, None)
        assert gate.begun.wait(WAIT_S)
    late = gate.jobs.submit(PREPARED, 0.05)
    in_time = gate.jobs.submit(PREPARED, WAIT_S)
    assert isinstance(late.exception(WAIT_S), DeadlineError)
    gate.opened.set()
    assert in_time.result(WAIT_S) is RESULT
    assert gate.jobs.submit(PREPARED, WAIT_S).result(WAIT_S) is RESULT


def test_deadlines_hold_in_any_order(gate: _Gate) -> None:
    ended: list[int] = []
    jobs = [gate.jobs.submit(PREPARED, deadline_s) for deadline_s in (0.6, 0.2, 0.4)]
    for index, job in enumerate(jobs):
        job.when_done(lambda _, index=index: ended.append(index))  # type: ignore[misc]
    concurrent.futures.wait(jobs, WAIT_S)
    assert ended == [1, 2, 0]


def test_a_mask_that_is_there_before_anybody_looked_at_its_deadline_is_late_all_the_same() -> None:
    jobs = Jobs(lambda prepared: RESULT, 1)
    for _ in range(MAX_JOBS):  # all of which may wait until the only thread comes by
        assert isinstance(jobs.submit(PREPARED, 1e-9).exception(WAIT_S), DeadlineError)
    jobs.close()


def test_a_deadline_of_the_real_engine(segmenter: Segmenter) -> None:
    before = [segmenter.submit(slice_) for slice_ in slices(30)]
    late = segmenter.submit(slices(1)[0], deadline_s=1e-6)
    with pytest.raises(DeadlineError, match="DEADLINE"):
        late.result(WAIT_S)
    assert all(job.result(WAIT_S).mask.shape == (64, 64) for job in before)


@pytest.mark.parametrize("deadline_s", [0, -1.0, float("nan"), float("inf")])
def test_a_deadline_that_makes_no_sense_is_refused(segmenter: Segmenter, deadline_s: float) -> None:
    with pytest.raises(UsageError, match="deadline"):
        segmenter.submit(slices(1)[0], deadline_s)


def test_the_queue_is_bounded_and_free_again_after(gate: _Gate) -> None:
    jobs = [gate.jobs.submit(PREPARED, None) for _ in range(MAX_JOBS)]
    with pytest.raises(BusyError, match=f"at most {MAX_JOBS}"):
        gate.jobs.submit(PREPARED, None)
    gate.opened.set()
    assert [job.result(WAIT_S) for job in jobs] == [RESULT] * MAX_JOBS
    assert gate.jobs.submit(PREPARED, None).result(WAIT_S) is RESULT


def test_closing_while_busy_settles_every_job(gate: _Gate) -> None:
    jobs = [gate.jobs.submit(PREPARED, None) for _ in range(5)]
    assert gate.begun.wait(WAIT_S)
    gate.jobs.close()
    gate.jobs.close()
    assert [type(job.exception(WAIT_S)) for job in jobs[1:]] == [ClosedError] * 4
    with pytest.raises(ClosedError):
        gate.jobs.submit(PREPARED, None)
    gate.opened.set()
    assert jobs[0].result(WAIT_S) is RESULT


def test_closing_a_busy_segmenter_leaves_masks_or_closed(bundle: Bundle) -> None:
    work = slices(40)
    with miniseg_edge.load(bundle, threads=1) as serial:
        expected = [serial.segment(slice_).mask for slice_ in work]
    with miniseg_edge.load(bundle) as segmenter:
        jobs = [segmenter.submit(slice_) for slice_ in work]
        jobs[0].result(WAIT_S)
    for job, mask in zip(jobs, expected, strict=True):
        if (error := job.exception(WAIT_S)) is None:
            np.testing.assert_array_equal(job.result().mask, mask)
        else:
            assert isinstance(error, ClosedError)


def test_it_is_a_future_that_asyncio_waits_for(segmenter: Segmenter) -> None:
    async def segmented() -> Segmentation:
        return await asyncio.wrap_future(segmenter.submit(slices(1)[0]))

    assert asyncio.run(segmented()).mask.shape == (64, 64)


def test_deadlines_leave_no_thread_behind(gate: _Gate) -> None:
    gate.opened.set()
    jobs = [gate.jobs.submit(PREPARED, WAIT_S) for _ in range(10)]
    concurrent.futures.wait(jobs, WAIT_S)
    for thread in threading.enumerate():
        if thread.name == "miniseg-deadlines":
            thread.join(WAIT_S)
            assert not thread.is_alive()


def raises(kind: type[BaseException]) -> Callable[[object], None]:
    def callback(job: object) -> None:
        raise kind

    return callback


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, ValueError])
def test_a_callback_that_raises_harms_nobody(
    gate: _Gate, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    late = gate.jobs.submit(PREPARED, 0.05)
    called = threading.Event()
    late.add_done_callback(raises(kind))
    late.add_done_callback(lambda job: called.set())
    assert isinstance(late.exception(WAIT_S), DeadlineError)
    assert called.wait(WAIT_S)
    assert isinstance(gate.jobs.submit(PREPARED, 0.05).exception(WAIT_S), DeadlineError), "deadlines hold afterwards"
    cancelled = gate.jobs.submit(PREPARED, None)
    cancelled.add_done_callback(raises(kind))
    assert cancelled.cancel()
    gate.opened.set()
    done = gate.jobs.submit(PREPARED, None)
    assert done.result(WAIT_S) is RESULT
    done.add_done_callback(raises(kind))
    assert gate.jobs.submit(PREPARED, WAIT_S).result(WAIT_S) is RESULT
    while "a job's callback raised" not in caplog.text:
        threading.Event().wait(0.01)
    assert kind.__name__ in caplog.text


def test_a_callback_that_sleeps_holds_up_nobody(gate: _Gate) -> None:
    goes_on, wakes = threading.Event(), threading.Event()

    def sleeps(job: object) -> None:
        assert goes_on.wait(WAIT_S)
        wakes.set()

    first = gate.jobs.submit(PREPARED, 0.05)
    first.add_done_callback(sleeps)
    others = [gate.jobs.submit(PREPARED, 0.1) for _ in range(5)]
    assert all(isinstance(job.exception(WAIT_S), DeadlineError) for job in (first, *others))
    gate.opened.set()
    finished = gate.jobs.submit(PREPARED, None)
    finished.add_done_callback(sleeps)
    assert finished.result(WAIT_S) is RESULT
    assert gate.jobs.submit(PREPARED, WAIT_S).result(WAIT_S) is RESULT
    assert not wakes.is_set()
    goes_on.set()
    assert wakes.wait(WAIT_S)


def test_a_callback_may_hand_over_and_cancel_and_close(gate: _Gate) -> None:
    told: list[object] = []
    ended = threading.Event()

    def again(job: object) -> None:
        following = gate.jobs.submit(PREPARED, 0.05)
        told.append(type(following.exception(WAIT_S)))
        told.append(gate.jobs.submit(PREPARED, WAIT_S).cancel())
        gate.jobs.close()
        ended.set()

    gate.jobs.submit(PREPARED, 0.05).add_done_callback(again)
    assert ended.wait(WAIT_S)
    assert told == [DeadlineError, True]


@pytest.mark.parametrize("deadline_s", [1e10, 1e300])
def test_a_deadline_beyond_the_systems_clock_switches_none_off(gate: _Gate, deadline_s: float) -> None:
    far = gate.jobs.submit(PREPARED, deadline_s)
    assert isinstance(gate.jobs.submit(PREPARED, 0.05).exception(WAIT_S), DeadlineError)
    assert not far.done()
