"""The machine's limit: the speed of a runtime's densest convolutions here.

No artefact can do its multiplications faster. The difference is the cost of layers with few channels, depthwise layers
and everything except multiplications.
"""

from collections.abc import Iterable

import numpy as np

from miniseg_edge.benchmarks.report import Failure, Limit
from miniseg_edge.benchmarks.session.plan import Schedule
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.console import terminal
from miniseg_edge.errors import InferenceError, MiniSegError
from miniseg_edge.measuring.child import serve
from miniseg_edge.measuring.process import MeasuringProcess
from miniseg_edge.measuring.timing import latencies_ms
from miniseg_edge.measuring.turns import rounds_of
from miniseg_edge.runtimes.backends.capabilities import DenseChain
from miniseg_edge.runtimes.backends.registry import entry_named


def limits_of(
    measured: Iterable[Configuration], schedule: Schedule, threads: int | None
) -> tuple[tuple[Limit, ...], tuple[Failure, ...]]:
    """The limit for each measured runtime and precision of ours, in turns, if the runtime supports that."""
    kinds = list(dict.fromkeys((one.runtime, one.precision) for one in measured if not one.peer))
    kinds = [(runtime, precision) for runtime, precision in kinds if precision in dense_precisions(runtime)]
    gflops: dict[tuple[str, str], list[float]] = {kind: [] for kind in kinds}
    failures: list[Failure] = []
    turns = [kind for order in rounds_of(kinds, schedule.rounds) for kind in order]
    for kind in terminal.track(turns, "the machine's own limit"):
        try:
            gflops[kind].append(measured_gflops(*kind, threads, schedule.turn_s / 2))
        except MiniSegError as error:
            failures.append(Failure(f"the limit of {' '.join(kind)}", str(error)))
    return tuple(Limit(*kind, tuple(taken)) for kind, taken in gflops.items() if taken), tuple(failures)


def dense_precisions(runtime: str) -> tuple[str, ...]:
    """Precisions in which a runtime can measure the limit."""
    return entry_named(runtime).load().dense_precisions


def measured_gflops(runtime: str, precision: str, threads: int | None, seconds: float) -> float:
    """One turn, in a separate process: 1e9 floating-point operations per second (two per multiplication).

    Raises:
        InferenceError: it could not be measured.
    """
    with MeasuringProcess(__name__, f"the limit of {runtime} {precision}") as process:
        asked = {"runtime": runtime, "precision": precision, "threads": threads, "seconds": seconds}
        return float(process.ask("gflops", **asked))


class Worker:
    """The command of the process."""

    def gflops(self, runtime: str, precision: str, threads: int | None, seconds: float) -> float:
        """As `measured_gflops`."""
        chain = DenseChain()
        run = entry_named(runtime).load().dense(chain, precision, threads)
        if run is None:
            raise InferenceError(
                f"{runtime} cannot compile single convolutions", expected="a runtime with `dense`", got="none"
            )
        values = np.random.default_rng(0).random(chain.shape, np.float32)
        taken_ms = latencies_ms(lambda: run(values), seconds, warm_up_s=seconds)
        return 2e-6 * chain.macs / float(np.median(taken_ms))


def main() -> None:
    """Serves commands until standard input ends."""
    serve(Worker())
