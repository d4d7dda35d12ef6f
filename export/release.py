"""The end of an export: artefacts that passed parity become the bundle, and a report explains the others' failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from miniseg_edge.bundle.bundle import Bundle, file_records, write_bundle
from miniseg_edge.bundle.manifest import (
    PARITY_REPORT,
    REFERENCE_TARGET,
    Artifact,
    ParityRecord,
    PrecisionChoice,
    sealed,
)
from miniseg_edge.bundle.parity_summary import summary
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.export.choosing.precision import kept_artifacts
from miniseg_edge.export.judging.remarks import processor_remark
from miniseg_edge.export.plan import ExportPlan
from miniseg_edge.export.serving.layouts import with_layouts
from miniseg_edge.host.files import replace_file
from miniseg_edge.parity.comparison import ParityReport, TargetParity
from miniseg_edge.plurals import number_of


@dataclass(frozen=True, repr=False)
class ExportResult:
    """What came out.

    Attributes:
        bundle: what was written to the output, or None if no target passed parity.
        parities: one for each target.
        report: where the parity report is: in the bundle, or next to it if a target failed.
        remarks: what parity cannot detect, and the user should know.
    """

    bundle: Bundle | None
    parities: tuple[TargetParity, ...]
    report: Path
    remarks: tuple[str, ...]

    def __repr__(self) -> str:
        """What passed and what did not, in one line."""
        judged = ", ".join(
            f"{one.target} {one.precision} {'passed' if one.passed else 'failed'}" for one in self.parities
        )
        remarks = f", {number_of(len(self.remarks), 'remark')}" if self.remarks else ""
        return f"<ExportResult: {self.bundle or 'no bundle'}, {judged}{remarks}>"


def released(
    plan: ExportPlan, candidate: Bundle, report: ParityReport, choices: tuple[PrecisionChoice, ...]
) -> ExportResult:
    """Writes the bundle with the artefacts that passed; if one failed, the report is also written next to it."""
    data = json_from_record(report).encode()
    failed = {(p.target, p.precision) for p in report.targets if not p.passed}
    path = plan.output / PARITY_REPORT
    if failed:
        path = plan.output.with_name(f"{plan.output.name}.{PARITY_REPORT}")
        replace_file(path, data)
    if len(failed) == len(report.targets):
        return ExportResult(None, report.targets, path, report.remarks)
    passed = {(p.target, p.precision) for p in report.targets} - failed
    kept = kept_artifacts(choices, passed) if choices else passed
    bundle = with_layouts(_with_only(candidate, kept, report, data), plan.serving)
    bundle = replace(bundle, manifest=sealed(replace(bundle.manifest, choices=choices)))
    write_bundle(bundle, plan.output, overwrite=plan.overwrite, signer=plan.signer)
    remark = processor_remark(bundle.manifest.artifacts)
    return ExportResult(bundle, report.targets, path, (*report.remarks, *([remark] if remark is not None else [])))


def _with_only(candidate: Bundle, kept: set[tuple[str, str]], report: ParityReport, data: bytes) -> Bundle:
    """The bundle with these artefacts and the reference, without unneeded files."""
    manifest = candidate.manifest
    artifacts = tuple(a for a in manifest.artifacts if a.target == REFERENCE_TARGET or (a.target, a.precision) in kept)
    dropped = _file_names(manifest.artifacts) - _file_names(artifacts)
    contents: Mapping[str, bytes] = {
        **{name: content for name, content in candidate.contents.items() if name not in dropped},
        PARITY_REPORT: data,
    }
    verdicts = tuple(summary(parity) for parity in report.targets)
    released = replace(
        manifest,
        artifacts=artifacts,
        parity=ParityRecord(PARITY_REPORT, report.validation, verdicts, report.remarks),
        files=file_records(contents),
    )
    return Bundle(candidate.name, released, contents, trusted=True)


def _file_names(artifacts: Sequence[Artifact]) -> set[str]:
    plans = {a.quantization.plan for a in artifacts if a.quantization is not None}
    return plans | {name for artifact in artifacts for name in artifact.files}
