import errno
import inspect
import os

import pytest

from miniseg_edge import errors
from miniseg_edge.console.commands import exit_code_of
from miniseg_edge.errors import MiniSegError

KINDS = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, MiniSegError)]
CODES = {"UsageError": 2, "ParityError": 3}


def failing(error: BaseException) -> int:
    """The exit code of a command whose work raises this."""

    def work() -> None:
        raise error

    return exit_code_of(work)


def test_work_that_is_done_exits_with_0_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("result", "code"), [(True, 0), (False, 1)])
def test_work_may_say_that_what_it_looked_at_is_not_as_it_should_be(result: bool, code: int) -> None:
    assert exit_code_of(lambda: result) == code


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_ours_exit_with_1_but_for_usage_and_parity(kind: type[MiniSegError]) -> None:
    assert failing(kind("problem")) == CODES.get(kind.__name__, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_ours_are_one_line_on_standard_error(
    kind: type[MiniSegError], capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("a problem that takes many words to tell " * 5, expected="expected", got="got", remedy="Fix it.")
    failing(error)
    assert capsys.readouterr() == ("", f"{error}\n")


def test_an_error_of_the_system_exits_with_1_and_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "mask.png")) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("OUTPUT: ")
    assert os.strerror(errno.ENOSPC) in shown
    assert "mask.png" in shown


def test_an_error_of_the_system_without_a_number_keeps_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(OSError("the pipe is gone")) == 1
    shown = capsys.readouterr().err
    assert "the pipe is gone" in shown
    assert "None" not in shown


def test_memory_that_is_exhausted_exits_with_1_and_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(MemoryError("Unable to allocate 8.00 GiB")) == 1
    assert capsys.readouterr().err.startswith("MEMORY: memory is exhausted")


def test_an_interruption_exits_as_shells_expect(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(KeyboardInterrupt()) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("a bug"), AssertionError(), SystemExit(7)])
def test_bugs_are_not_hidden(error: BaseException) -> None:
    with pytest.raises(type(error)):
        failing(error)
