"""The plan: which groups of convolutions are quantized, and the measurements behind it. A file to review and keep.

The same plan, calibration slices and versions give the same artefact on any machine, without a search.
"""

from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.bundle.records import object_from_json, record_from_object
from miniseg_edge.errors import UsageError
from miniseg_edge.host.files import bytes_from_file

PLAN_SCHEMA_VERSION = 1
MAX_PLAN_BYTES = 2**20


@dataclass(frozen=True)
class Trial:
    """A set of groups that was tried.

    Attributes:
        groups: what was quantized.
        dice_mean, dice_worst: against FP32, on the calibration slices whose lesion is not tiny: the others are judged
            by changed pixels.
        noise: of its logits, in grey levels of the slice (see `noise`).
        failures: violated limits, one sentence each.
        speed: FP32's latency over its own: the median of the rounds' ratios; 0 if only the Dice was measured.
        p50_ms, processor_ms: of each round, the median latency and the processor time of an inference.
    """

    groups: tuple[str, ...]
    dice_mean: float
    dice_worst: float
    noise: float
    failures: tuple[str, ...]
    speed: float
    p50_ms: tuple[float, ...]
    processor_ms: tuple[float, ...]


@dataclass(frozen=True)
class QuantizationPlan:
    """The plan.

    Attributes:
        schema_version: `PLAN_SCHEMA_VERSION`.
        groups: to be quantized, as `groups_of` names them.
        seed: selects among many calibration slices.
        reason: why these groups, as a sentence.
        machine: where it was searched; empty if it was written by hand.
        trials: the sets that were judged; empty if it was written by hand.
        faster: whether the groups were measured to be faster than FP32 by more than noise; None if nothing was
            measured.
        worst_slices: the worst slice's Dice each time that the groups were fitted without some calibration slices; see
            `stability`. Empty if it was written by hand.
    """

    schema_version: int
    groups: tuple[str, ...]
    seed: int
    reason: str
    machine: str
    trials: tuple[Trial, ...]
    faster: bool | None = None
    worst_slices: tuple[float, ...] = ()


def plan_from_file(path: Path) -> QuantizationPlan:
    """Reads a plan. Raises: UsageError, naming the place, if it is invalid."""
    found = object_from_json(bytes_from_file(path, MAX_PLAN_BYTES, UsageError), path.name, UsageError)
    if (version := found.get("schema_version")) != PLAN_SCHEMA_VERSION:
        raise UsageError(
            f"{path.name} has an unsupported schema", expected=str(PLAN_SCHEMA_VERSION), got=repr(version)[:80]
        )
    return record_from_object(QuantizationPlan, found, path.name, UsageError)
