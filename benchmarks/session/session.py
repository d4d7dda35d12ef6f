"""A run: every configuration in a separate process, in turns over several rounds, so that drift affects all alike."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniseg_edge.benchmarks.report import Failure
from miniseg_edge.benchmarks.session.measurement import Measurement
from miniseg_edge.benchmarks.session.plan import BURST, OFFLINE, SINGLE_STREAM, Plan
from miniseg_edge.benchmarks.session.process import WorkerProcess
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.console import terminal
from miniseg_edge.errors import MiniSegError
from miniseg_edge.measuring.turns import rounds_of
from miniseg_edge.slices.preprocessing import ByteArray


@dataclass(frozen=True)
class Session:
    """All measurements of a run, in the order of the configurations, and failures."""

    measurements: tuple[Measurement, ...]
    failures: tuple[Failure, ...]


def measure(configurations: Sequence[Configuration], plan: Plan) -> Session:
    """Runs every scenario of the plan. A configuration that fails is dropped, with its reason; the others continue.

    Each turn is a new process, and there is never more than one: two processes of one program differ by a few percent
    in speed, because of their memory layout, and a single one would make that look like a difference between
    configurations (Mytkowicz et al., "Producing Wrong Data Without Doing Anything Obviously Wrong!", 2009).
    """
    failures: list[Failure] = []
    found = {c.name: Measurement(c) for c in configurations}
    names = list(found)
    for scenario in plan.schedule.scenarios:
        turns = [name for order in rounds_of(names, plan.schedule.rounds) for name in order]
        for name in terminal.track(turns, f"{scenario}, {plan.schedule.rounds} rounds"):
            if name not in found:
                continue
            try:
                _turn(scenario, found[name], plan)
            except MiniSegError as error:
                failures.append(Failure(name, str(error)))
                del found[name]
    return Session(tuple(found.values()), tuple(failures))


def _turn(scenario: str, measurement: Measurement, plan: Plan) -> None:
    """One process: cold start, warm-up, the scenario; the first one also gives the masks."""
    streams = 1 if scenario == SINGLE_STREAM else plan.streams
    with WorkerProcess(measurement.configuration, plan.bundle, plan.slices, streams) as worker:
        if scenario == SINGLE_STREAM:
            measurement.cold_start_s.append(worker.cold_start_s)
            measurement.load_ms.append(worker.load_ms)
            measurement.first_inference_ms.append(worker.first_inference_ms)
        measurement.warm_up_slices += int(worker.ask("warm_up", seconds=plan.schedule.warm_up_s))
        _measured(scenario, worker, measurement, plan)
        measurement.peak_mb = max(measurement.peak_mb, float(worker.ask("peak_memory")))
        if not measurement.masks:
            measurement.masks = masks_of(worker)


def masks_of(worker: WorkerProcess) -> list[ByteArray]:
    """A worker's masks of all its slices, in their order. Raises: InferenceError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "masks.npz"
        worker.ask("masks", path=str(path))
        with np.load(path, allow_pickle=False) as saved:
            return [np.asarray(saved[name], dtype=np.uint8) for name in saved.files]


def _measured(scenario: str, worker: WorkerProcess, measurement: Measurement, plan: Plan) -> None:
    schedule = plan.schedule
    if scenario == OFFLINE:
        answer = worker.ask("offline", seconds=schedule.turn_s)
        measurement.offline_slices_per_s.append(answer["slices"] / answer["wall_s"])
        measurement.counted += answer["slices"]
        measurement.cpu_s += answer["cpu_s"]
    elif scenario == BURST:
        answer = worker.ask("burst", count=schedule.burst_slices)
        measurement.burst_first_ms.append(answer["first_ms"])
        measurement.burst_last_ms.append(answer["last_ms"])
        if plan.series is not None and not measurement.configuration.peer:
            few, series = map(str, plan.series)
            with tempfile.TemporaryDirectory() as output:
                answer = worker.ask("study_burst", few=few, series=series, output=output)
            measurement.studies.append(answer)
    else:
        samples = -(-schedule.min_samples // schedule.rounds)
        answer = worker.ask("single_stream", seconds=schedule.turn_s, min_samples=samples)
        measurement.stages_ms.append(np.array(answer["stages_ms"], dtype=np.float64))
        measurement.memory_mb.append(np.array(answer["memory_mb"], dtype=np.float64).reshape(-1, 2))
        measurement.counted += len(answer["stages_ms"])
        measurement.cpu_s += answer["cpu_s"]
