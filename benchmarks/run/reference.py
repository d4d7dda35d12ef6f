"""What accuracy is judged against."""

from collections.abc import Sequence
from dataclasses import dataclass

from miniseg_edge.benchmarks.session.plan import Plan
from miniseg_edge.benchmarks.session.process import WorkerProcess
from miniseg_edge.benchmarks.session.session import masks_of
from miniseg_edge.benchmarks.subjects.configuration import Configuration
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.console import terminal
from miniseg_edge.errors import RuntimeUnavailableError
from miniseg_edge.runtimes.backends.registry import registry
from miniseg_edge.slices.preprocessing import ByteArray


@dataclass(frozen=True)
class Reference:
    """The reference for accuracy: its description, and its masks in the order of the slices."""

    description: str
    masks: tuple[ByteArray, ...]


def reference_masks(bundle: Bundle, artifacts: Sequence[Configuration], plan: Plan) -> Reference:
    """The FP32 torch network's masks if torch is installed, otherwise those of the first FP32 artefact.

    Raises:
        InferenceError: it failed.
        RuntimeUnavailableError: there is neither torch nor an FP32 artefact.
    """
    entry = next(entry for entry in registry() if entry.reference)
    if entry.obstacle(bundle) is None:
        chosen = Configuration("reference", entry.name, "fp32", str(plan.bundle))
        description = "the FP32 network in torch"
    elif fp32 := next((c for c in artifacts if c.precision == "fp32"), None):
        chosen, description = fp32, f"{fp32.name} (torch is not installed here)"
    else:
        raise RuntimeUnavailableError("there is no reference for the masks", expected="torch or an FP32 artefact")
    with (
        terminal.step(f"reference masks: {description}"),
        WorkerProcess(chosen, plan.bundle, plan.slices) as worker,
    ):
        return Reference(description, tuple(masks_of(worker)))
