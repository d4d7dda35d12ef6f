"""A series' row: what came of it, without a word about the patient but what the archive's own file names say."""

from dataclasses import dataclass

from miniseg_edge.runtimes.archive.series import Series

DONE, FAILED, SKIPPED = "done", "failed", "skipped"
STATUSES = (DONE, FAILED, SKIPPED)


@dataclass(frozen=True)
class Row:
    """One series.

    Attributes:
        key, source, files, bytes: of the `Series`; `source` is its `where`.
        status: "done", "failed", or "skipped": no CT, or localizers alone, so that there was nothing to segment.
        slices: that were segmented.
        finding, lesion_volume_ml, lesions, slices_with_findings: as in `Findings`; None unless done.
        error_code, error: None if done.
        bundle_digest, runtime, device, precision, input_sha256: what drew what; the last four are None unless done.
        fetch_s, open_s, segment_s, write_s: what it took, in seconds; slices are read while others are segmented.
        seconds: in all.
        worker: host and process.
        created: when it was done, in UTC.
    """

    key: str
    source: str
    files: int
    bytes: int
    status: str
    slices: int
    finding: bool | None
    lesion_volume_ml: float | None
    lesions: int | None
    slices_with_findings: int | None
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
        """Whether it is about this series as it lies there now; one that has got more files is another."""
        return (self.key, self.files, self.bytes) == (series.key, len(series.files), series.bytes)

    @property
    def result(self) -> tuple[object, ...]:
        """All that does not depend on when and where it was made."""
        findings = (self.finding, self.lesion_volume_ml, self.lesions, self.slices_with_findings)
        ran = (self.bundle_digest, self.runtime, self.device, self.precision, self.input_sha256)
        return (self.key, self.source, self.files, self.bytes, self.status, self.slices, *findings,
                self.error_code, self.error, *ran)  # fmt: skip
