"""A vendor's own program on our artefacts, in turns with our runtime: our overhead over the vendor's bare loop."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from miniseg_edge.benchmarks.report import Failure, VendorBenchmark
from miniseg_edge.benchmarks.run.request import BenchmarkRequest
from miniseg_edge.benchmarks.session.plan import SINGLE_STREAM, Plan
from miniseg_edge.benchmarks.session.process import WorkerProcess
from miniseg_edge.benchmarks.statistics import median_difference
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.console import terminal
from miniseg_edge.errors import InferenceError, MiniSegError
from miniseg_edge.runtimes.backends.capabilities import VendorProgram
from miniseg_edge.runtimes.backends.registry import entry_named


def vendor_figures(
    request: BenchmarkRequest, bundle: Bundle, plan: Plan, measured: Iterable[Configuration]
) -> tuple[tuple[VendorBenchmark, ...], tuple[Failure, ...]]:
    """For all measured artefacts whose runtime's vendor has a program; with peers and single-stream."""
    if not request.peers or SINGLE_STREAM not in plan.schedule.scenarios:
        return (), ()
    found, failures = [], []
    for configuration in (one for one in measured if not one.peer):
        program = vendor_program(configuration, bundle, request.bundle, plan.schedule.turn_s)
        shown = vendor_program(configuration, bundle, Path(), plan.schedule.turn_s)
        if program is None or shown is None:
            continue
        command = shown.command(Path("FOLDER"))
        try:
            rounds = max(plan.schedule.rounds, request.vendor_rounds)
            theirs, ours = _in_turns(program, command[0], configuration, plan, rounds)
        except MiniSegError as error:
            failures.append(Failure(f"{command[0]} on {configuration.name}", str(error)))
            continue
        overhead = median_difference(ours, theirs)
        figures = overhead.ms, overhead.low_ms, overhead.high_ms
        found.append(VendorBenchmark(configuration.name, " ".join(command), tuple(theirs), *figures))
    return tuple(found), tuple(failures)


def vendor_program(configuration: Configuration, bundle: Bundle, folder: Path, seconds: float) -> VendorProgram | None:
    """The program of a configuration's vendor, for the bundle's files in `folder`; None without one."""
    entry = entry_named(configuration.runtime)
    artifact = entry.artifact(bundle, configuration.precision)
    assert artifact is not None  # noqa: S101  it was measured
    files = [folder / name for name in artifact.files]
    return entry.load().vendor_program(files, artifact.precision, configuration.threads, seconds)


def _in_turns(
    program: VendorProgram, name: str, configuration: Configuration, plan: Plan, rounds: int
) -> tuple[list[float], list[float]]:
    """Median latencies in ms, the vendor's and ours."""
    theirs, ours = [], []
    for _ in terminal.track(range(rounds), f"{name} and {configuration.name}"):
        theirs.append(median_ms(program))
        with WorkerProcess(configuration, plan.bundle, plan.slices) as worker:
            worker.ask("warm_up", seconds=plan.schedule.warm_up_s)
            ours.append(float(np.median(worker.ask("inference", seconds=plan.schedule.turn_s))))
    return theirs, ours


def median_ms(program: VendorProgram) -> float:
    """One turn of the vendor's program: its median latency in milliseconds.

    Raises:
        InferenceError: it is not installed, failed, or reports nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        name, *words = program.command(Path(folder))
        command = [str(Path(sys.executable).with_name(name)), *words]  # it is installed next to Python
        try:
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603  the vendor's own program
            return program.median_ms(Path(folder))
        except (OSError, subprocess.CalledProcessError, KeyError, ValueError) as error:
            raise InferenceError(f"{name} gave no figure", because=str(error)[:300]) from error
