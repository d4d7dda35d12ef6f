import io
import logging
from collections.abc import Iterator

import pytest

from miniseg_edge.console.logs import LineFormatter, logger_of

FORGED = "x\n2026-01-01 WARNING miniseg_edge: all is well\x1b[2J\u202e\udc80"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a host's own handler with a plain formatter writes of one of our loggers."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logger_of("miniseg_edge.tests.logs")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def test_a_message_is_one_printable_line_for_any_handler(written: io.StringIO) -> None:
    logger_of("miniseg_edge.tests.logs").warning("%s is passed over: %s", FORGED, ValueError(FORGED))
    (line,) = written.getvalue().splitlines()
    assert line.startswith(r"x\n2026-01-01 WARNING miniseg_edge: all is well\x1b[2J\u202e\udc80 is passed over: x\n")
    assert line.isprintable()


def test_a_percent_sign_in_an_argument_is_no_format(written: io.StringIO) -> None:
    logger_of("miniseg_edge.tests.logs").warning("%s", "100 % %s %d")
    assert written.getvalue() == "100 % %s %d\n"


def test_asking_twice_gives_the_same_logger_with_one_filter() -> None:
    first, second = logger_of("miniseg_edge.tests.twice"), logger_of("miniseg_edge.tests.twice")
    assert first is second
    assert len(first.filters) == 1


def test_only_records_begin_at_the_left() -> None:
    """Records of other libraries, and tracebacks that quote a client."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter("%(levelname)s %(message)s"))
    logger = logging.Logger("tests.elsewhere")  # outside the tree: pytest-xdist cannot report what is not UTF-8
    logger.addHandler(handler)
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.exception("failed for %s", FORGED, stack_info=True)
    first, *below = stream.getvalue().splitlines()
    assert first == r"ERROR failed for x\n2026-01-01 WARNING miniseg_edge: all is well\x1b[2J\u202e\udc80"
    assert below
    assert all(line.startswith("  | ") and line.isprintable() for line in below)
