"""What is tried again, what is not, and how often."""

import errno
import io

import aiohttp
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from miniseg_edge.errors import InputError, StorageError
from miniseg_edge.runtimes.archive.storage import retrying
from miniseg_edge.runtimes.archive.storage.retrying import TRIES, RetriedFile, is_passing, retried


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT_S", 0.0)


def answered(status: int) -> ClientError:
    """What botocore raises for an answer."""
    return ClientError({"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")  # type: ignore[typeddict-item, unused-ignore]


def behind(error: Exception, cause: Exception) -> Exception:
    """An error of a driver's, for one of the library below it."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        *(ConnectionResetError(), TimeoutError(), OSError(errno.EBUSY, "slow down"), answered(503), answered(429)),
        *(aiohttp.ClientPayloadError(), aiohttp.ServerDisconnectedError(), EndpointConnectionError(endpoint_url="x")),
        behind(FileNotFoundError("http's driver says so whatever it was"), answered(503)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_succeed_later_is_tried_again(error: Exception) -> None:
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        *(FileNotFoundError(errno.ENOENT, "gone"), PermissionError(errno.EACCES, "no"), answered(403), answered(404)),
        *(NoCredentialsError(), ValueError(), InputError("ours"), OSError(errno.ENOSPC, "full")),
        behind(PermissionError("no"), answered(403)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_will_fail_again_is_not(error: Exception) -> None:
    assert not is_passing(error)
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        retried(call)
    assert len(calls) == 1


def test_a_storage_that_comes_back_gives_its_answer() -> None:
    failures = iter([ConnectionResetError(), answered(503), TimeoutError()])

    def call() -> str:
        for error in failures:
            raise error
        return "answer"

    assert retried(call) == "answer"


def test_the_error_says_how_often_it_was_tried_and_quotes_nothing() -> None:
    def call() -> None:
        raise ConnectionResetError("https://user:SECRET@host")

    with pytest.raises(StorageError, match=f"ConnectionResetError; got {TRIES} tries") as raised:
        retried(call)
    assert "SECRET" not in str(raised.value)


class Breaking(io.BytesIO):
    """A file whose reads fail, or are short, every other time; with a size, as files of fsspec's have."""

    def __init__(self, data: bytes, *, short: bool) -> None:
        super().__init__(data)
        self.size, self._short, self._reads = len(data), short, 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads % 2:
            if self._short:
                return super().read((size or 0) // 2)
            super().read(1)
            raise aiohttp.ClientPayloadError
        return super().read(size)


@pytest.mark.parametrize("short", [False, True])
def test_a_file_is_read_as_if_nothing_had_broken(*, short: bool) -> None:
    data = bytes(range(256)) * 5
    with RetriedFile(lambda: Breaking(data, short=short)) as file:
        assert file.read(100) == data[:100]
        assert file.read(1000) == data[100:1100]
        file.seek(5)
        assert file.read() == data[5:]
        assert file.read(1) == b""


def test_a_file_that_stays_broken_is_an_error() -> None:
    class Torn(Breaking):
        def read(self, size: int | None = -1, /) -> bytes:
            return b""

    with RetriedFile(lambda: Torn(b"1234", short=True)) as file, pytest.raises(StorageError, match="TornReadError"):
        file.read(4)
