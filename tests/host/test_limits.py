import errno
import os
from collections.abc import Iterator

import numpy as np
import pytest

from miniseg_edge.errors import HostMemoryError, HostThreadsError, InputError
from miniseg_edge.host.limits import host_limits, limit_behind, within_limits

MEMORY = [
    MemoryError(),
    MemoryError("Unable to allocate 8.00 GiB for an array"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 268435456 bytes"),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
]
THREADS = [
    RuntimeError("can't start new thread"),
    RuntimeError("Exception from src/inference/src/dev/plugin.cpp:54: Resource temporarily unavailable"),
]
OTHERS = [
    RuntimeError("the driver is gone"),
    BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)),
    InputError("Failed to allocate"),
    KeyError("x"),
]


@pytest.mark.parametrize("error", MEMORY, ids=repr)
def test_memory_that_is_exhausted_has_its_error(error: Exception) -> None:
    with pytest.raises(HostMemoryError, match="MEMORY: memory is exhausted") as caught, host_limits():
        raise error
    assert caught.value.__cause__ is error
    assert isinstance(caught.value, MemoryError)


@pytest.mark.parametrize("error", THREADS, ids=repr)
def test_threads_that_are_short_have_their_error(error: Exception) -> None:
    with pytest.raises(HostThreadsError, match="THREADS: ") as caught, host_limits():
        raise error
    assert caught.value.because == str(error)


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert limit_behind(error) is None
    with pytest.raises(type(error)) as caught, host_limits():
        raise error
    assert caught.value is error


def test_numpy_says_it_so() -> None:
    with pytest.raises(HostMemoryError, match="allocate"), host_limits():
        np.empty(2**60, np.uint8)


def test_a_generator_is_within_them_and_is_closed_with_what_goes_round_it() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield 1
            raise MemoryError
        finally:
            closed.append(1)

    results = within_limits(source())
    assert next(results) == 1
    with pytest.raises(HostMemoryError):
        next(results)
    stopped = within_limits(source())
    next(stopped)
    del stopped
    assert closed == [1, 1]
