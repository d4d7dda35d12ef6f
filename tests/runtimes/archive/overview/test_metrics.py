"""A run's metrics, as Prometheus reads them."""

import re
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest

from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.archive.overview.metrics import ArchiveMetrics
from miniseg_edge.runtimes.segment_command import main
from tests.runtimes.archive.archives import of_series
from tests.runtimes.archive.overview.test_overview import made
from tests.studies.series import write_series


def read(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}


def test_rows_and_progress_are_counted() -> None:
    metrics = ArchiveMetrics()
    metrics.reached("segmenting", 2, 9)
    metrics.seen(made(1, timedelta()))
    metrics.seen(made(2, timedelta(), status="failed", error_code="INPUT", slices=0))
    with metrics.served(0) as port:
        found = read(port)
        with pytest.raises(UsageError, match="unavailable"), ArchiveMetrics().served(port):
            pytest.fail("the port is taken")
    assert found['miniseg_archive_series_total{code="INPUT",status="failed"}'] == 1
    assert found['miniseg_archive_series_total{code="",status="done"}'] == 1
    assert found["miniseg_archive_slices_total"] == 40
    assert found['miniseg_archive_worker_seconds_total{part="segmenting"}'] == 84
    assert found['miniseg_archive_done{phase="segmenting"}'] == 2
    assert found['miniseg_archive_total{phase="segmenting"}'] == 9
    assert not any("secret" in name for name in found)


def test_a_command_says_where_they_are(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in", 3, of_series(1))
    words = [str(demo_bundle_path), str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert main([*words, "--distributed", "in-process", "--metrics-port", "0"]) == 0
    assert re.search(r"metrics at http://127\.0\.0\.1:\d+/metrics", capsys.readouterr().out)
    assert main([*words, "--metrics-port", "0"]) == 2
