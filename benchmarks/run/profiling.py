"""Where the time goes: the most expensive operators, from each vendor's own profiler."""

from dataclasses import dataclass

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.runtimes.backends.registry import entry_named
from miniseg_edge.slices.preprocessing import FloatArray


@dataclass(frozen=True)
class OperatorCost:
    """An operator of the compiled artefact: milliseconds per slice, and its share of the whole."""

    name: str
    kind: str
    ms: float
    share: float


def profile(bundle: Bundle, runtime: str, precision: str, values: FloatArray) -> list[OperatorCost]:
    """The operators of an artefact on one runtime, the most expensive first; empty without a profiler.

    Args:
        bundle: opened.
        runtime: its name in the registry.
        precision: of the artefact.
        values: the network's input, as in `Runtime.infer`.
    """
    entry = entry_named(runtime)
    artifact = entry.artifact(bundle, precision)
    assert artifact is not None  # noqa: S101  it was measured before it is profiled
    times = entry.load().operator_times(bundle, artifact, values) or ()
    total = sum(time.ms for time in times)
    costs = [OperatorCost(time.name, time.kind, time.ms, time.ms / total) for time in times]
    return sorted(costs, key=lambda cost: -cost.ms)
