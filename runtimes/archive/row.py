"""A series' row: its result, without patient data except what the archive's file names contain."""

from dataclasses import dataclass, replace

from miniseg_edge.printable import printable
from miniseg_edge.runtimes.archive.content import CONTENT
from miniseg_edge.runtimes.archive.series import Series

DONE, FAILED, SKIPPED = "done", "failed", "skipped"
STATUSES = (DONE, FAILED, SKIPPED)


@dataclass(frozen=True)
class Row:
    """One series.

    Attributes:
        key, source, files, bytes, stamp, known_by: of the `Series`; `source` is its `where` as printable text. A later
            run keeps the series if the stamp is the same and it is known by times or etags; otherwise if its content is
            the same.
        content_sha256: of its files' bytes, in any order; None if one of them cannot be read, or they are too large.
        status: "done", "failed", or "skipped" (not CT, or only localizers, so that there was nothing to segment). A
            series also counts as failed if it was segmented, but a requested DICOM SEG could not be made (DICOM_SEG).
        slices: number of segmented slices.
        finding, lesion_volume_ml, lesions, slices_with_findings: as in `Findings`; None if it was not segmented.
        remarks: as in the findings, in one line; "" if there are none, None if it was not segmented.
        error_code, error: None if done.
        bundle_digest, runtime, device, precision, input_sha256: what segmented which input; the last four are None if
            it was not segmented.
        fetch_s, open_s, segment_s, write_s: durations in seconds; slices are read while others are segmented.
        seconds: in all.
        worker: host and process.
        created: when it was finished, in UTC.
    """

    key: str
    source: str
    files: int
    bytes: int
    stamp: str
    known_by: str
    content_sha256: str | None
    status: str
    slices: int
    finding: bool | None
    lesion_volume_ml: float | None
    lesions: int | None
    slices_with_findings: int | None
    remarks: str | None
    error_code: str | None
    error: str | None
    bundle_digest: str
    runtime: str | None
    device: str | None
    precision: str | None
    input_sha256: str | None
    fetch_s: float
    open_s: float
    segment_s: float
    write_s: float
    seconds: float
    worker: str
    created: str

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"a status of {', '.join(STATUSES)}")

    def is_of(self, series: Series) -> bool:
        """Whether it belongs to this series, as found in the same run."""
        return (self.key, self.files, self.bytes, self.stamp) == (
            series.key, len(series.files), series.bytes, series.stamp,
        )  # fmt: skip

    def is_surely_of(self, series: Series) -> bool:
        """Whether it belongs to this series as it is now, in a later run, judged without reading its files."""
        return self.is_of(series) and self.known_by == series.known_by != CONTENT

    def moved_to(self, series: Series) -> "Row":
        """The same results, for the same content in its present place."""
        where = printable(series.where)
        return replace(self, source=where, stamp=series.stamp, known_by=series.known_by)

    @property
    def result(self) -> tuple[object, ...]:
        """All fields that do not depend on when and where it was made."""
        findings = (self.finding, self.lesion_volume_ml, self.lesions, self.slices_with_findings, self.remarks)
        ran = (self.bundle_digest, self.runtime, self.device, self.precision, self.input_sha256)
        return (self.key, self.source, self.files, self.bytes, self.content_sha256, self.status, self.slices, *findings,
                self.error_code, self.error, *ran)  # fmt: skip
