import logging
import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from miniseg_edge.host.silence import silence, unattended


def speak() -> None:
    logging.getLogger("vendor").critical("SECRET")
    warnings.warn("SECRET", stacklevel=1)


def test_nothing_is_logged_and_nobody_is_warned(caplog: pytest.LogCaptureFixture) -> None:
    with silence():
        speak()
    assert caplog.text == ""
    with pytest.warns(match="SECRET"):
        speak()
    assert "SECRET" in caplog.text


def test_named_loggers_alone_are_silent(caplog: pytest.LogCaptureFixture) -> None:
    with silence("vendor"):
        logging.getLogger("vendor.part").critical("SECRET")
        logging.getLogger("host").warning("mine")
        warnings.warn("SECRET", stacklevel=1)
    assert [record.message for record in caplog.records] == ["mine"]
    logging.getLogger("vendor.part").critical("again")
    assert "again" in caplog.text


def test_the_first_that_enters_silences_and_the_last_that_leaves_restores(caplog: pytest.LogCaptureFixture) -> None:
    filters, disabled = list(warnings.filters), logging.root.manager.disable
    level = logging.getLogger("vendor").level
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with silence(), silence("vendor"):
            first_in.set()
            assert second_in.wait(10)
        first_out.set()

    def second() -> None:
        assert first_in.wait(10)
        with silence(), silence("vendor"):
            second_in.set()
            assert first_out.wait(10)
            speak()

    with ThreadPoolExecutor(2) as threads:
        for job in [threads.submit(first), threads.submit(second)]:
            job.result()
    assert caplog.text == ""
    assert list(warnings.filters) == filters
    assert (logging.root.manager.disable, logging.getLogger("vendor").level) == (disabled, level)


def test_many_threads_leave_everything_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    filters, disabled = list(warnings.filters), logging.root.manager.disable

    def work(index: int) -> None:
        for _ in range(200):
            with silence("vendor") if index % 2 else silence():
                logging.getLogger("vendor").critical("SECRET")
                warnings.warn("SECRET", stacklevel=1)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert caplog.text == ""
    assert list(warnings.filters) == filters
    assert logging.root.manager.disable == disabled


def test_a_host_that_swaps_the_filters_meanwhile_keeps_its_own() -> None:
    filters = list(warnings.filters)
    quiet = silence()
    quiet.__enter__()
    with warnings.catch_warnings():
        quiet.__exit__(None, None, None)
    assert list(warnings.filters) == filters


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_was_forked_inside_speaks() -> None:
    script = (
        "import logging, os, warnings\n"
        "from miniseg_edge.host.silence import silence\n"
        "before = list(warnings.filters)\n"
        "with silence(), silence('vendor'):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        loud = list(warnings.filters) == before and logging.root.manager.disable == 0\n"
        "        with silence('vendor'):\n"
        "            quiet = not logging.getLogger('vendor').isEnabledFor(logging.CRITICAL)\n"
        "        os._exit(0 if loud and quiet and logging.getLogger('vendor').isEnabledFor(logging.CRITICAL) else 1)\n"
        "    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def fail_unattended() -> None:
    with unattended():
        assert os.environ["NNCF_CI"] == "1"
        speak()
        sys.stdout.write("progress")
        sys.stderr.write("progress")
        raise ValueError("all the same")


def test_nothing_is_printed_and_the_environment_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "mine")
    monkeypatch.delenv("NNCF_CI", raising=False)
    before = dict(os.environ)
    with pytest.raises(ValueError, match="all the same"):
        fail_unattended()
    assert dict(os.environ) == before
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_nncf_sends_no_telemetry() -> None:
    """The benchmarks' peer. In a process of its own: NNCF is silent by itself where it sees pytest."""
    script = (
        "from miniseg_edge.host.silence import unattended\n"
        "with unattended(): import nncf\n"
        "from nncf.telemetry import wrapper\n"
        "assert not isinstance(wrapper.telemetry, wrapper.NNCFTelemetry)"
    )
    environment = {k: v for k, v in os.environ.items() if k not in {"NNCF_CI", "NNCF_DEV"}}
    shown = subprocess.run([sys.executable, "-c", script], check=True, env=environment, capture_output=True)
    assert shown.stdout == b""
