"""The export from end to end: a checkpoint in, a bundle or a parity report with the failures out."""

from collections.abc import Sequence

from miniseg_edge.bundle.bundle import check_destination
from miniseg_edge.console import terminal
from miniseg_edge.export.candidate import candidate_bundle
from miniseg_edge.export.choosing.precision import choices_among
from miniseg_edge.export.judging.gate import check_parity
from miniseg_edge.export.judging.remarks import (
    agreement_remark,
    contradiction_remark,
    normalisation_remark,
    unchecked_remark,
)
from miniseg_edge.export.judging.validation import PixelSlice, ValidationSet, phantom_set, validation_set
from miniseg_edge.export.plan import ExportPlan, builds_here, planned
from miniseg_edge.export.quantization.calibration import CalibrationSlice, calibration_set, check_apart, held_back
from miniseg_edge.export.quantization.search.stability import check_enough
from miniseg_edge.export.release import ExportResult, released
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.parity.comparison import ParityReport
from miniseg_edge.training.checkpoint import checkpoint_from_file

PARITY_SCHEMA_VERSION = 1


def export_bundle(request: ExportRequest) -> ExportResult:
    """Runs the whole export; progress is shown in the terminal.

    Raises:
        OutputExistsError, IncompatibleError: before any work, if the output may not be written or this CPU has no BF16.
            CheckpointError and its subclasses: see `checkpoint_from_file`; StatisticsError, UsageError: see `planned`.
            ExportError and its subclasses: a step failed its check.
        OutputError: nothing half-written remains.
    """
    check_destination(request.output, overwrite=request.overwrite)
    builds = builds_here(request)
    plan = planned(request, checkpoint_from_file(request.checkpoint), builds)
    validation, calibration = _slices(plan)
    remarks = _normalisation_remarks(plan, validation, calibration)
    candidate = candidate_bundle(plan, calibration)
    parities = check_parity(candidate, validation, plan.limits, plan.engine_options.device)
    if (remark := agreement_remark(parities)) is not None:
        terminal.warn(remark)
        remarks = (remark, *remarks)
    report = ParityReport(PARITY_SCHEMA_VERSION, plan.checkpoint.sha256, validation.description, parities, remarks)
    choices = choices_among(candidate, parities) if plan.auto else ()
    return released(plan, candidate, report, choices)


def _normalisation_remarks(
    plan: ExportPlan, validation: ValidationSet, calibration: Sequence[CalibrationSlice]
) -> tuple[str, ...]:
    """Printed first, because an export takes time and parity cannot detect a wrong normalisation."""
    statistics = plan.preprocessing.statistics
    found: list[str | None] = []
    if plan.validation is not None:
        slices = terminal.track(validation.slices, "reading the validation slices")
        found.append(normalisation_remark(statistics, "validation", (item.image() for item in slices)))
    if calibration:
        found.append(normalisation_remark(statistics, "calibration", (item.pixels for item in calibration)))
    remarks = tuple(remark for remark in found if remark is not None)
    for remark in remarks:
        terminal.warn(remark)
    remarks = remarks if found else (unchecked_remark(statistics),)
    contradiction = contradiction_remark(statistics, plan.checkpoint.statistics)
    return remarks if contradiction is None else (*remarks, contradiction)


def _slices(plan: ExportPlan) -> tuple[ValidationSet, tuple[CalibrationSlice, ...]]:
    """The slices on which artefacts are judged, and those on which INT8 is calibrated."""
    classes, channels = plan.checkpoint.identity.classes, plan.interface.channels
    calibration: tuple[CalibrationSlice, ...] = ()
    if plan.calibration is not None:
        calibration = calibration_set(plan.calibration, channels, plan.seed)
    # INT8 that is calibrated on real slices segments phantoms less well, because they look different.
    held, fitted = held_back(calibration) if plan.validation is None else ((), calibration)
    if plan.calibration is not None and plan.quantization is None:
        check_enough(len(fitted), len(held))
    if plan.validation is not None:
        validation = validation_set(plan.validation, plan.labels, classes, channels)
        check_apart(fitted, ((item.name, item.image()) for item in validation.slices))
        return validation, fitted
    if not held:
        return phantom_set(plan.size, channels), ()
    description = f"{len(held)} of the calibration slices, held back, no labels"
    return ValidationSet(description, tuple(PixelSlice(item.sha256[:12], item.pixels) for item in held)), fitted
