"""From a configuration's turns to its row in the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from miniseg_edge.benchmarks.report import Result, StudyResult
from miniseg_edge.benchmarks.session.accuracy import Accuracy, accuracy
from miniseg_edge.benchmarks.session.measurement import Measurement
from miniseg_edge.benchmarks.session.plan import Plan
from miniseg_edge.benchmarks.statistics import distribution
from miniseg_edge.slices.preprocessing import ByteArray


def result_from_measurement(
    measurement: Measurement, plan: Plan, reference: Sequence[ByteArray], baseline: Measurement
) -> Result:
    """The report's row: summaries of all samples, and accuracy against the reference's masks."""
    names = [path.stem for path in plan.slices]
    found: Accuracy = accuracy(names, measurement.masks, reference, plan.labels, plan.classes)
    configuration = measurement.configuration
    rounds = measurement.rounds_ms
    latency = distribution(np.concatenate(rounds)) if rounds else None
    stages = (
        [distribution(np.concatenate([s[:, i] for s in measurement.stages_ms])) for i in range(3)] if rounds else []
    )
    resident = np.concatenate([series[:, 1] for series in measurement.memory_mb] or [np.empty(0)])
    return Result(
        name=configuration.name,
        runtime=configuration.runtime,
        precision=configuration.precision,
        artifact=configuration.artifact,
        p50_ms=latency.p50_ms if latency else None,
        p90_ms=latency.p90_ms if latency else None,
        p99_ms=latency.p99_ms if latency else None,
        throughput_slices_per_s=_throughput(measurement, plan),
        peak_rss_mb=measurement.peak_mb,
        steady_rss_mb=float(np.median(resident)) if len(resident) else measurement.peak_mb,
        rss_growth_mb=measurement.memory_growth,
        dice_mean=found.dice_mean,
        dice_worst=found.dice_worst,
        changed_pixels=found.changed_pixels,
        mean_iou=found.mean_iou,
        ratio_to_baseline=_ratio(baseline, measurement),
        latency=latency,
        prepare=stages[0] if stages else None,
        infer=stages[1] if stages else None,
        finish=stages[2] if stages else None,
        cold_start_s=tuple(measurement.cold_start_s),
        load_ms=tuple(measurement.load_ms),
        first_inference_ms=tuple(measurement.first_inference_ms),
        warm_up_slices=measurement.warm_up_slices,
        cpu_s_per_slice=measurement.cpu_s / measurement.counted if measurement.counted else 0.0,
        offline_slices_per_s=tuple(measurement.offline_slices_per_s),
        burst_first_ms=tuple(measurement.burst_first_ms),
        burst_last_ms=tuple(measurement.burst_last_ms),
        rounds_ms=tuple(tuple(float(f"{ms:.4f}") for ms in samples) for samples in rounds),
        slices=found.slices,
        study=_study(measurement.studies),
    )


def _study(turns: Sequence[Mapping[str, Any]]) -> StudyResult | None:
    if not turns:
        return None
    return StudyResult(
        slices=int(turns[0]["slices"]),
        first_mask_ms=tuple(float(turn["first_mask_ms"]) for turn in turns),
        whole_ms=tuple(float(turn["whole_ms"]) for turn in turns),
        inference_ms=tuple(float(np.mean(turn["inference_ms"])) for turn in turns),
    )


def _throughput(measurement: Measurement, plan: Plan) -> float:
    if measurement.offline_slices_per_s:
        return float(np.median(measurement.offline_slices_per_s))
    if measurement.stages_ms:
        return sum(len(stages) for stages in measurement.stages_ms) / measurement.busy_s
    return float(np.median([plan.schedule.burst_slices * 1e3 / ms for ms in measurement.burst_last_ms]))


def _ratio(baseline: Measurement, measurement: Measurement) -> float | None:
    if not baseline.stages_ms or not measurement.stages_ms:
        return None
    ours, theirs = np.concatenate(measurement.rounds_ms), np.concatenate(baseline.rounds_ms)
    return float(np.median(theirs) / np.median(ours))
