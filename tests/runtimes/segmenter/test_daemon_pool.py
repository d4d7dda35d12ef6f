"""A pool whose threads keep nothing alive."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import pytest

from miniseg_edge.runtimes.segmenter.daemon_pool import DaemonPool

WAIT_S = 30.0


def test_calls_are_worked_on_at_once_and_no_more_than_asked_for() -> None:
    pool, together, seen = DaemonPool(3, "test"), threading.Barrier(3), set[str]()

    def work(number: int) -> int:
        together.wait(WAIT_S)
        seen.add(threading.current_thread().name)
        return number * 2

    assert [future.result(WAIT_S) for future in [pool.submit(work, n) for n in range(9)]] == [n * 2 for n in range(9)]
    assert seen == {"test_0", "test_1", "test_2"}
    pool.shutdown()


def test_a_thread_that_is_free_is_taken_before_another_is_started() -> None:
    pool, names = DaemonPool(8, "test"), set[str]()
    for _ in range(20):
        pool.submit(lambda: names.add(threading.current_thread().name)).result(WAIT_S)
        pool._idle.acquire()  # the thread says so a moment after the result is there
        pool._idle.release()
    assert names == {"test_0"}
    pool.shutdown()


def test_what_a_call_raises_comes_in_its_place_and_the_thread_goes_on() -> None:
    pool = DaemonPool(1, "test")
    for error in (ValueError, SystemExit, KeyboardInterrupt):
        with pytest.raises(error):
            pool.submit(_raise, error).result(WAIT_S)
    assert pool.submit(lambda: 1).result(WAIT_S) == 1
    pool.shutdown()


def _raise(error: type[BaseException]) -> None:
    raise error


def test_shutdown_cancels_what_was_not_begun_and_need_not_wait() -> None:
    pool, goes_on, begun = DaemonPool(1, "test"), threading.Event(), threading.Event()

    def hangs() -> int:
        begun.set()
        goes_on.wait(WAIT_S)
        return 1

    first, second = pool.submit(hangs), pool.submit(hangs)
    assert begun.wait(WAIT_S)
    pool.shutdown(wait=False, cancel_futures=True)
    assert second.cancelled()
    assert not first.done()
    with pytest.raises(RuntimeError):
        pool.submit(hangs)
    goes_on.set()
    assert first.result(WAIT_S) == 1


def test_the_threads_of_a_pool_that_is_forgotten_end() -> None:
    pool = DaemonPool(2, "test")
    pool.submit(lambda: None).result(WAIT_S)
    threads, forgotten = pool._threads, weakref.ref(pool)
    del pool
    gc.collect()
    assert forgotten() is None
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_a_call_that_hangs_keeps_no_process_alive() -> None:
    code = (
        "import threading\n"
        "from miniseg_edge.runtimes.segmenter.daemon_pool import DaemonPool\n"
        "pool = DaemonPool(2, 'test')\n"
        "pool.submit(threading.Event().wait)\n"
        "raise SystemExit(pool.submit(lambda: 7).result())\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 7


def test_the_end_of_the_interpreter_lets_a_call_finish_and_none_begin() -> None:
    """A thread that Python ends within a vendor's code ends the process by `std::terminate`."""
    code = (
        "import sys, threading, time\n"
        "from miniseg_edge.runtimes.segmenter.daemon_pool import DaemonPool\n"
        "pool, begun = DaemonPool(1, 'test'), threading.Event()\n"
        "def works():\n"
        "    begun.set()\n"
        "    time.sleep(0.3)\n"
        "    sys.stdout.write('finished ')\n"
        "pool.submit(works)\n"
        "pool.submit(lambda: sys.stdout.write('begun too late'))\n"
        "begun.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "finished ", "")


@pytest.mark.parametrize("last", ["pool.shutdown(wait=False)", "pass", "del pool"])
def test_threads_free_what_is_theirs_before_the_interpreter_ends(last: str) -> None:
    """An infer request of OpenVINO that is freed later crashes the process now and then."""
    code = (
        "import sys, threading, time\n"
        "from miniseg_edge.runtimes.segmenter.daemon_pool import DaemonPool\n"
        "class Request:\n"
        "    def __del__(self):\n"
        "        time.sleep(0.3)\n"
        "        sys.stdout.write('freed where it was made' if threading.get_ident() == made else 'too late')\n"
        "own, pool = threading.local(), DaemonPool(2, 'test')\n"
        "def makes():\n"
        "    own.request = Request()\n"
        "    return threading.get_ident()\n"
        "made = pool.submit(makes).result()\n"
        f"{last}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "freed where it was made", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_waits_for_no_call_of_its_parent() -> None:
    code = (
        "import os, sys, threading, time\n"
        "from miniseg_edge.runtimes.backends import ending\n"
        "from miniseg_edge.runtimes.segmenter.daemon_pool import DaemonPool\n"
        "ending.END_S = 100\n"
        "pool, begun, goes_on = DaemonPool(1, 'test'), threading.Event(), threading.Event()\n"
        "pool.submit(lambda: (begun.set(), goes_on.wait()))\n"
        "begun.wait()\n"
        "child = os.fork()\n"
        "if child == 0: sys.exit(7)\n"
        "status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "goes_on.set()\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False)
    assert done.returncode == 7
