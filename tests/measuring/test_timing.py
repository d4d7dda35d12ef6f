import time

import pytest

from miniseg_edge.measuring.timing import latencies_ms


def test_one_call_is_timed_however_short_the_time() -> None:
    calls: list[None] = []
    assert len(latencies_ms(lambda: calls.append(None), 0.0)) == len(calls) == 1


def test_the_warm_up_is_in_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that stands still but for the calls: slow ones first, which begin within the warm-up."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    durations_s = iter([0.5, 0.5, 0.25, 0.25, 0.25])

    def run() -> None:
        now[0] += next(durations_s)

    assert latencies_ms(run, seconds=0.5, warm_up_s=1.0) == [250.0, 250.0]
