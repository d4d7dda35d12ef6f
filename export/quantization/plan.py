"""The plan: which groups of convolutions are quantized, and what was measured that says so. A file to review and keep.

The same plan, calibration slices and versions give the same artefact on any machine, without a search.
"""

from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.errors import UsageError
from miniseg_edge.files import bytes_from_file
from miniseg_edge.records import object_from_json, record_from_object

PLAN_SCHEMA_VERSION = 1
MAX_PLAN_BYTES = 2**20


@dataclass(frozen=True)
class Trial:
    """A set of groups that was tried.

    Attributes:
        groups: what was quantized.
        dice_mean, dice_worst: against the FP32 artefact, on the calibration slices.
        failures: limits that it did not keep, in words.
        speed: FP32's latency over its own: the median of the rounds' ratios; 0 where only the Dice was measured.
        p50_ms: the median latency of each round.
    """

    groups: tuple[str, ...]
    dice_mean: float
    dice_worst: float
    failures: tuple[str, ...]
    speed: float
    p50_ms: tuple[float, ...]


@dataclass(frozen=True)
class QuantizationPlan:
    """The plan.

    Attributes:
        schema_version: `PLAN_SCHEMA_VERSION`.
        groups: to be quantized, as `groups_of` names them.
        seed: of the draw among many calibration slices.
        reason: why these groups, in words.
        machine: where it was searched; empty if it was written by hand.
        trials: what the search measured; empty if it was written by hand.
    """

    schema_version: int
    groups: tuple[str, ...]
    seed: int
    reason: str
    machine: str
    trials: tuple[Trial, ...]


def plan_from_file(path: Path) -> QuantizationPlan:
    """Reads a plan. Raises: UsageError, naming the place, if it is none."""
    found = object_from_json(bytes_from_file(path, MAX_PLAN_BYTES, UsageError), path.name, UsageError)
    if (version := found.get("schema_version")) != PLAN_SCHEMA_VERSION:
        raise UsageError(f"{path.name} has another schema", str(PLAN_SCHEMA_VERSION), repr(version)[:80])
    return record_from_object(QuantizationPlan, found, path.name, UsageError)
