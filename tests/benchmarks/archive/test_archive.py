"""What an archive costs: the extrapolation's arithmetic, and the command from end to end."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.benchmarks.archive import measure, refused
from miniseg_edge.benchmarks.archive.parts import Parts
from miniseg_edge.benchmarks.archive.refused import Driver, Refused
from miniseg_edge.benchmarks.archive.runs import ArchiveRun
from miniseg_edge.benchmarks.archive.scaling import SLICES, scaled
from miniseg_edge.benchmarks.command import main
from miniseg_edge.runtimes.archive.engines.on_ray import MOST_AT_ONCE
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting, ray_session
from miniseg_edge.runtimes.archive.finding.records import CELLS
from miniseg_edge.runtimes.archive.work import Crew

PARTS = Parts(
    slices=100,
    bytes=50_000_000,
    fetch_s=0.0,
    open_s=0.25,
    segment_s=1.5,
    write_s=0.25,
    inference_s=1.25,
    read_s=0.5,
    result_bytes=20_000,
    result_files=3,
    find_s=1e-4,
    table_s=1e-5,
    driver=Driver(processes_s=1e-3, series_s=1e-4, message_s=1e-3, servers_s=1e-5),
)
"""A worker's two seconds for a hundred slices."""


def test_what_is_not_shared_grows_with_the_workers() -> None:
    one, ten = scaled(PARTS, 0.0, (1, 10))
    assert one.slices_per_s == 50.0
    assert ten.slices_per_s == pytest.approx(500.0)
    assert one.hours == pytest.approx(SLICES / 50 / 3600)
    assert scaled(PARTS, 2.0, (1,))[0].slices_per_s == 25.0


def test_what_is_shared_does_not() -> None:
    one, many = scaled(PARTS, 0.0, (1, 200))
    assert one.read_share == pytest.approx(25e6 / 1.25e9)
    assert one.driver_share == pytest.approx(0.5 * (1e-4 + 1e-3 / one.at_once))
    assert one.find_share == pytest.approx(100 / 20_000)
    assert (one.at_once, many.at_once) == (1, 4)
    assert many.driver_share == pytest.approx(100 * (1e-4 + 1e-3 / 4))
    assert many.find_share == one.find_share
    assert scaled(PARTS, 0.0, (1000,))[0].find_share == pytest.approx(1000 / CELLS * one.find_share), "no more find"


def test_a_message_costs_what_single_series_cost_more() -> None:
    def run(driver_s: float) -> ArchiveRun:
        return ArchiveRun(rows=(), workers=2, start_s=0.0, work_s=1.0, find_s=0.0, driver_s=driver_s, servers_s=1e-5)

    driver = Refused(processes=run(2e-3), single=run(1.1e-3), many=run(1e-4 + 1e-3 / MOST_AT_ONCE)).driver()
    assert driver.series_s == pytest.approx(1e-4)
    assert driver.message_s == pytest.approx(1e-3)
    assert driver.on_ray_s(1) == pytest.approx(1.1e-3)
    assert driver.processes_s == 2e-3


def test_the_first_to_give_is_named() -> None:
    assert scaled(PARTS, 0.0, (1000,))[0].first == "the storage gives"
    near = replace(PARTS, bytes=1000, driver=replace(PARTS.driver, series_s=0.1))
    assert scaled(near, 0.0, (1000,))[0].first == "the driver gives"
    assert scaled(near, 0.0, (1,))[0].first == "the driver"


@pytest.mark.slow
def test_the_command_measures_both_executors(
    demo_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measure, "REFUSED_SERIES", 2 * MOST_AT_ONCE)
    monkeypatch.setattr(refused, "SLICES", 2)
    words = ["archive", str(demo_bundle_path), "--series", "4", "--slices", "3", "--rounds", "1"]
    with ray_session(RaySetting(), [Crew(2)]):  # one for all runs: starting it is tested elsewhere
        assert main([*words, "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "archive.json").read_text())
    assert [(pace["executor"], pace["workers"]) for pace in found["paces"]] == [
        *(("processes", 1), ("processes", 2)),
        *(("ray", 1), ("ray", 2)),
    ]
    assert all(pace["slices_per_s"] > 0 and pace["start_s"] > 0 for pace in found["paces"])
    assert found["parts"]["slices"] == 3
    assert min(found["parts"][name] for name in ("open_s", "segment_s", "write_s", "find_s", "read_s")) > 0
    assert found["parts"]["driver"]["processes_s"] > 0
    shown = capsys.readouterr().out
    assert "1,000" in shown
    assert "nearest limit" in shown


@pytest.mark.parametrize("words", [["--series", "1"], ["--slices", "1"], ["--rounds", "0"], ["--rounds", "100000"]])
def test_no_archive_of_one_series_or_without_rounds(demo_bundle_path: Path, tmp_path: Path, words: list[str]) -> None:
    assert main(["archive", str(demo_bundle_path), "--output", str(tmp_path / "out"), *words]) == 2
    assert list(tmp_path.iterdir()) == []
