"""A segmented study's results as files: checks what is possible, and writes."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from miniseg_edge.errors import DicomSegError, OutputError, OutputExistsError, UsageError
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.study.formats import chosen
from miniseg_edge.runtimes.study.segmented import SegmentedStudy
from miniseg_edge.runtimes.study.writers import PageChoice, Result
from miniseg_edge.studies.seg.dicom_seg import SegFrames, seg_sources
from miniseg_edge.studies.seg.seg_sources import SegSources
from miniseg_edge.studies.study import Study


@dataclass(frozen=True, eq=False)
class Outputs:
    """How a study's results are written.

    Attributes:
        formats: the requested ones.
        seg_frames: of DICOM SEG and secondary captures.
        seg: what DICOM results need of their sources; None if there will be none.
        no_seg: why there will be none although they were requested, or None.
        page: further content of the page.
    """

    formats: tuple[str, ...]
    seg_frames: SegFrames = "range"
    seg: SegSources | None = None
    no_seg: DicomSegError | None = None
    page: PageChoice = field(default_factory=PageChoice)

    @property
    def remarks(self) -> tuple[str, ...]:
        """For the findings."""
        if self.no_seg is not None:
            return (str(self.no_seg),)
        return () if self.seg is None else self.seg.remarks


def outputs_of(study: Study, formats: tuple[str, ...], seg_frames: SegFrames = "range") -> Outputs:
    """Checks before any work whether requested DICOM results can be made.

    Raises:
        DicomSegError: they cannot, and nothing else was requested.
        InputError: the study's first file differs from the one that was opened.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    rows = chosen(formats)
    if not any(row.refers_to_dicom for row in rows):
        return Outputs(formats, seg_frames)
    try:
        return Outputs(formats, seg_frames, seg=seg_sources(study.geometry, study.origin))
    except DicomSegError as error:
        if all(row.refers_to_dicom for row in rows):
            raise
        return Outputs(formats, seg_frames, no_seg=error)


def check_outputs(output: Path, formats: tuple[str, ...], study: Study, *, overwrite: bool) -> None:
    """Refuses before any work what could not be written after it.

    Raises:
        OutputExistsError, OutputError: a result already exists, or the output is a file.
        UsageError: a DICOM result was requested for a non-DICOM study.
    """
    rows = chosen(formats)
    if not study.origin.images and (refused := [row.name for row in rows if row.refers_to_dicom]):
        raise UsageError(
            f"{', '.join(refused)} refers to DICOM images", expected="a DICOM study", got=study.origin.format
        )
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is not a folder", expected="a folder, or nothing yet", got="a file")
    for path in (output / name for row in rows for name in row.files(len(study))):
        if path.exists() and not overwrite:
            raise OutputExistsError(
                f"{path} exists", expected="a new file", remedy="Choose another --output or add --overwrite."
            )


def write_results(
    segmented: SegmentedStudy, segmenter: Segmenter, output: Path, outputs: Outputs, *, shown: bool = True
) -> None:
    """Writes each format, every file completely or not at all; `shown` displays progress.

    Raises:
        DicomSegError: DICOM results cannot be made, and earlier ones are removed; the other formats are written.
            OutputError, and as the formats' own functions.
    """
    window = segmenter.bundle.manifest.preprocessing.window
    assert window is not None  # noqa: S101  the study could not have been segmented without
    result = Result(segmented.remarked(*outputs.remarks), window, outputs.seg_frames, outputs.seg, shown, outputs.page)
    no_seg = outputs.no_seg
    for row in chosen(outputs.formats):
        if row.refers_to_dicom and no_seg is not None:
            continue
        try:
            row.write(result, output / row.file)
        except DicomSegError as error:
            no_seg = error
            result = replace(result, segmented=result.segmented.remarked(str(error)))
    if no_seg is not None:
        for row in chosen(outputs.formats):
            if row.refers_to_dicom:
                for name in row.files(len(segmented.study)):  # which would belong to another mask than the other files
                    (output / name).unlink(missing_ok=True)
        raise no_seg
