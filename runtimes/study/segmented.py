"""A segmented study, from which results are written."""

from dataclasses import dataclass, replace

from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies.findings import Findings
from miniseg_edge.studies.study import Study


@dataclass(frozen=True, eq=False)
class SegmentedStudy:
    """A study with its mask (D, H, W) uint8, in the order of its slices, and its findings."""

    study: Study
    mask: ByteArray
    findings: Findings

    def remarked(self, *remarks: str) -> "SegmentedStudy":
        """The same with more remarks in its findings."""
        ran = self.findings.ran
        ran = replace(ran, remarks=(*ran.remarks, *remarks))
        return replace(self, findings=replace(self.findings, ran=ran))
