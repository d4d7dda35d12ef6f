"""Soaks: short ones, in which nothing may be found, and the same with a leak of each kind, which must be found."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.benchmarks.command import main
from miniseg_edge.benchmarks.soak import soak as soaking
from miniseg_edge.benchmarks.soak.bad_input import complaint, faults_in
from miniseg_edge.benchmarks.soak.picture import show_soak
from miniseg_edge.benchmarks.soak.soak import MIN_TURNS, WATCHED, Sample, SoakReport, SoakResult, soak, trend_of
from miniseg_edge.benchmarks.soak.turn import Soaked
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.benchmarks.traffic import WAYS, Known, Tally, known_slices
from miniseg_edge.bundle.records import object_from_json, record_from_object
from miniseg_edge.errors import InputError
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter

COUNTED = ("handles", "threads")
"""What a busy machine does not move. Memory is not among them: allocators' pools still fill in a soak of seconds."""

SIZES = [(64, 64), (48, 80)]


def configuration(bundle_path: Path, leak: str = "") -> Configuration:
    return Configuration("openvino fp32", "openvino", "fp32", str(bundle_path), threads=1, leak=leak)


def soaked(bundle_path: Path, leak: str = "") -> SoakResult:
    told: list[tuple[int, int]] = []
    chosen = [configuration(bundle_path, leak)]
    (result,) = soak(chosen, 2.0 / 3600, lambda done, of: told.append((done, of)))
    assert told[-1] == (2, 2)
    return result


def growing(result: SoakResult) -> list[str]:
    return [trend.name for trend in result.trends if trend.grows]


@pytest.fixture
def segmenter(demo_bundle_path: Path) -> Iterator[Segmenter]:
    with miniseg_edge.load(demo_bundle_path, "openvino", threads=1) as opened:
        yield opened


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_in_is_checked_mask_by_mask(segmenter: Segmenter, way) -> None:  # type: ignore[no-untyped-def]
    known = known_slices(segmenter, SIZES, 3)
    tally = Tally()
    way(segmenter, known, tally)
    assert (tally.masks, tally.wrong) == (6, 0)
    other = [Known(one.image, 1 - one.mask) for one in known]
    way(segmenter, other, tally)
    assert (tally.masks, tally.wrong) == (12, 6)


def test_every_fault_gets_its_error_and_good_slices_do_not(
    segmenter: Segmenter, demo_bundle_path: Path, tmp_path: Path
) -> None:
    known = known_slices(segmenter, SIZES, 1)[0]
    faults = faults_in(tmp_path, demo_bundle_path)
    assert [complaint(fault, segmenter, known) for fault in faults] == [""] * len(faults)
    good = replace(faults[0], offer=lambda segmenter, known: segmenter.segment(known.image))
    assert complaint(good, segmenter, known) == "no array: no error instead of InputError"
    wrong = replace(faults[0], error=KeyError)
    assert complaint(wrong, segmenter, known) == "no array: InputError instead of KeyError"


@pytest.mark.slow
def test_a_turn_mixes_and_counts(demo_bundle_path: Path, tmp_path: Path) -> None:
    one = Soaked(configuration(demo_bundle_path), tmp_path, seed=1)
    turns = [one.turn(0.05) for _ in range(4)]
    assert [turn.reloads for turn in turns] == [0, 0, 0, 1]
    assert all(turn.masks > turn.wrong == 0 and turn.faults > 10 and not turn.complaints for turn in turns)


def test_a_wrong_mask_in_a_turn_is_seen(demo_bundle_path: Path, tmp_path: Path) -> None:
    one = Soaked(configuration(demo_bundle_path), tmp_path, seed=1)
    one._known[0] = Known(one._known[0].image, 1 - one._known[0].mask)
    assert one.turn(0.05).wrong > 0


def samples(**courses: Any) -> list[Sample]:
    """Samples of 100 masks each, still but for what is given."""
    still = {"memory_mb": 200.0, "handles": 9, "threads": 4, "latency_ms": 20.0, "cpu_ms": 30.0}
    count = len(next(iter(courses.values())))
    found = [Sample(elapsed_s=10.0 * i, masks=100 * (i + 1), **still) for i in range(count)]  # type: ignore[arg-type]
    return [replace(one, **{name: values[i] for name, values in courses.items()}) for i, one in enumerate(found)]


@pytest.mark.parametrize("watched", WATCHED, ids=lambda watched: watched.name)
def test_what_rises_to_the_end_grows_and_what_only_shakes_does_not(watched) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(0)
    shaken = [50.0 + 4.0 * random.random() for _ in range(60)]
    assert not trend_of(samples(**{watched.name: shaken}), watched).grows
    rising = [value + 0.8 * i for i, value in enumerate(shaken)]
    assert trend_of(samples(**{watched.name: rising}), watched).grows
    warming = [value + 40.0 * min(1.0, i / 25) for i, value in enumerate(shaken)]
    assert not trend_of(samples(**{watched.name: warming}), watched).grows
    assert not trend_of(samples(**{watched.name: rising[::-1]}), watched).grows


@pytest.mark.slow
def test_a_sound_bundle_is_found_sound(demo_bundle_path: Path) -> None:
    result = soaked(demo_bundle_path)
    assert (result.wrong, result.complaints) == (0, ())
    assert not set(growing(result)) & set(COUNTED)
    assert len(result.samples) >= MIN_TURNS
    assert result.reloads == len(result.samples) // 4
    assert result.masks > 20 * len(result.samples)


@pytest.mark.slow
@pytest.mark.parametrize("leak", ["memory_mb", "threads"])
def test_a_planted_leak_is_found_and_no_other(demo_bundle_path: Path, leak: str) -> None:
    result = soaked(demo_bundle_path, leak)
    assert leak in growing(result)
    assert set(growing(result)) & set(COUNTED) <= {leak}
    assert not result.sound
    assert (result.wrong, result.complaints) == (0, ())


@pytest.mark.slow
def test_the_command_writes_a_record_and_a_picture_and_says_when_it_was_too_short(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soaking, "MIN_TURNS", 2)
    words = ["soak", str(demo_bundle_path), "--hours", "0.0002", "--output", str(tmp_path / "out"), "--threads", "1"]
    assert main([*words, "--runtime", "openvino"]) == 1
    assert "too few to say whether anything grows" in capsys.readouterr().out
    found = object_from_json((tmp_path / "out" / "soak.json").read_bytes(), "soak.json", InputError)
    report = record_from_object(SoakReport, found, "soak.json", InputError)
    (result,) = report.results
    assert (result.name, result.wrong) == ("openvino fp32", 0)
    assert result.faults > 10
    assert json.loads((tmp_path / "out" / "soak.json").read_text())["schema_version"] == 1
    assert (tmp_path / "out" / "soak.png").read_bytes().startswith(b"\x89PNG")
    assert main([*words]) == 1
    assert "OUTPUT_EXISTS" in capsys.readouterr().err
    show_soak(replace(report, results=(replace(result, complaints=()),)))
    assert "every mask right" in capsys.readouterr().out


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "1e9"])
def test_a_soak_without_time_is_refused(bundle_path: Path, tmp_path: Path, hours: str) -> None:
    assert main(["soak", str(bundle_path), "--hours", hours, "--output", str(tmp_path / "out")]) == 2
    assert list(tmp_path.iterdir()) == []
