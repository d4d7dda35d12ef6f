"""Checks that faults of known size are measured correctly, before anyone relies on the figures."""

import tempfile
from dataclasses import replace
from pathlib import Path

from miniseg_edge.benchmarks.session.measurement import Measurement
from miniseg_edge.benchmarks.session.plan import Plan, Schedule
from miniseg_edge.benchmarks.session.session import measure
from miniseg_edge.benchmarks.statistics import difference, ratio
from miniseg_edge.benchmarks.subjects.configuration import configuration_of
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.console import terminal
from miniseg_edge.errors import InferenceError, ParityError
from miniseg_edge.phantoms import main as write_phantoms
from miniseg_edge.runtimes.backends.registry import choose
from miniseg_edge.slices.images import image_paths

# Fixed tolerances, not the run's own intervals: on a noisy machine those grow until everything lies within them.
DELAY_MS = 5.0
LEAK_KB = 200
EQUAL_WITHIN = 0.02
DELAY_WITHIN_MS = 0.5


def self_check(bundle_path: Path, duration_s: float) -> None:
    """Measures one artefact four times at once: unchanged, again, with a delay, with a leak.

    Raises:
        ParityError: the planted differences were not found.
        InferenceError: a configuration could not be measured.
    """
    bundle = open_bundle(bundle_path)
    choice = choose(bundle)
    plain = replace(configuration_of(bundle_path, choice.entry.name, choice.artifact, threads=1), name="as it is")
    planted = [
        plain,
        replace(plain, name="the same again"),
        replace(plain, name=f"{DELAY_MS:g} ms slower", delay_ms=DELAY_MS),
        replace(plain, name=f"leaking {LEAK_KB} kB a slice", leak_kb=LEAK_KB),
    ]
    with tempfile.TemporaryDirectory() as folder:
        write_phantoms([folder, "--count", "4"])
        slices = tuple(image_paths(Path(folder) / "images"))
        plan = Plan(bundle_path, slices, None, 2, Schedule(duration_s=duration_s))
        session = measure(planted, plan)
    if session.failures:
        raise InferenceError(
            "the self-check could not be run", expected="four measurements", because=session.failures[0].reason
        )
    _judge(*session.measurements)


def _judge(plain: Measurement, again: Measurement, slower: Measurement, leaking: Measurement) -> None:
    equal = ratio("again", again.rounds_ms, "plain", plain.rounds_ms)
    delay = difference(slower.rounds_ms, plain.rounds_ms)
    planted_mb = LEAK_KB * 1024 / 1e6 * 60 * sum(map(len, leaking.stages_ms)) / leaking.busy_s
    leak, steady = leaking.memory_growth, plain.memory_growth
    checks = [
        (
            "two equal ones come out as equal",
            "1",
            f"{equal.ratio:.3f} ({equal.low:.3f}..{equal.high:.3f})",
            abs(equal.ratio - 1) < EQUAL_WITHIN,
        ),
        (
            "a known delay shows as itself",
            f"{DELAY_MS:g} ms",
            f"{delay.ms:.2f} ms ({delay.low_ms:.2f}..{delay.high_ms:.2f})",
            abs(delay.ms - DELAY_MS) < DELAY_WITHIN_MS,
        ),
        (
            "a planted leak is reported as growth",
            f"{planted_mb:.0f} MB/min",
            f"{leak.per_minute:.0f} MB/min",
            leak.grows,
        ),
        (
            "no leak is reported without one",
            f"below {planted_mb / 10:.0f} MB/min",
            f"{steady.per_minute:.1f} MB/min",
            steady.per_minute < planted_mb / 10,
        ),
    ]
    rows = [(what, wanted, found, "right" if right else "WRONG") for what, wanted, found, right in checks]
    terminal.table(
        "Self-check", ("", "planted", "measured", ""), rows, [i for i, check in enumerate(checks) if not check[3]]
    )
    if wrong := [check[0] for check in checks if not check[3]]:
        raise ParityError(
            "measurements on this machine are not reliable",
            expected="the planted differences",
            because="; ".join(wrong),
        )
    terminal.say("the instrument shows the planted differences", "good")
