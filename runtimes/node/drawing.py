"""One round: from images in the spool to results in the spool, with the code of `miniseg-segment`."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniseg_edge.errors import CancelledError, IntegrityError
from miniseg_edge.host.dependencies import require
from miniseg_edge.host.files import replace_file
from miniseg_edge.runtimes.node.keeping.records import Drawn, Reference, ResultObject
from miniseg_edge.runtimes.node.keeping.series_folder import Round, SeriesFolder
from miniseg_edge.runtimes.node.replacing import mark_replacing
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.study.memory import check_memory
from miniseg_edge.runtimes.study.outputs import outputs_of, write_results
from miniseg_edge.runtimes.study.segment_study import segmented_study
from miniseg_edge.studies.dicom.series import study_from_dicom_files
from miniseg_edge.studies.dicom.volumes import Reading
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.seg.dicom_seg import SegFrames, encoded
from miniseg_edge.studies.source_files import DiskFile


@dataclass(frozen=True)
class Drawing:
    """Settings for segmenting series.

    Attributes:
        formats: of the results, all of them DICOM.
        seg_frames: slices in a SEG and in captures.
        longest_part: use the longest evenly spaced part of an uneven series.
        memory_mb: limit for one series, in MiB.
    """

    formats: tuple[str, ...]
    seg_frames: SegFrames = "range"
    longest_part: bool = False
    memory_mb: int = 8192


def draw(
    folder: SeriesFolder, found: Round, segmenter: Segmenter, drawing: Drawing, is_stopping: Callable[[], bool]
) -> Drawn:
    """Segments a round's images and writes its results, the last file last.

    Raises:
        CancelledError: the node is stopping. Also whatever `study_from_dicom_files`, `segmented_study` and
            `write_results` raise.
    """
    start_s, taken = time.monotonic(), found.taken()
    if taken is None:
        raise IntegrityError("the round has no images", expected="taken.json", got="none")

    def progress(done: int, of: int) -> None:
        if is_stopping():
            raise CancelledError("the node is stopping")

    files = [DiskFile(folder.image(key)) for key in taken.images]
    study = study_from_dicom_files(files, f"series {folder.key}", Reading(longest_part=drawing.longest_part))
    height, width = study.size
    remedy = "Raise --max-memory, or exclude such series with a rule."
    check_memory(len(study) * height * width, drawing.memory_mb, remedy)
    outputs = outputs_of(study, drawing.formats, drawing.seg_frames)
    segmented = segmented_study(study, segmenter, progress)
    found.forget_half_drawn()
    write_results(segmented, segmenter, found.results, outputs, shown=False)
    findings = segmented.findings
    drawn = Drawn(
        tuple(_object(path, found.results, taken.replaces) for path in _in_order(found.results)),
        findings.slices, findings.lesions, findings.lesion_volume_ml, time.monotonic() - start_s,
    )  # fmt: skip
    found.finish_drawing(drawn)
    return drawn


def _in_order(results: Path) -> Iterable[Path]:
    """The SEG before the report that refers to it, captures last."""
    return sorted(results.rglob("*.dcm"), key=lambda path: (path.parent != results, path.name))


def _object(path: Path, results: Path, replaced: tuple[Reference, ...]) -> ResultObject:
    pydicom: Any = require("pydicom", "node")
    name = path.relative_to(results).as_posix()
    with distrusted(name):
        made = pydicom.dcmread(path, stop_before_pixels=not replaced)
        if replaced:
            mark_replacing(made, replaced)
            replace_file(path, encoded(made))
    uids = str(made.SOPClassUID), str(made.SOPInstanceUID), str(made.SeriesInstanceUID)
    return ResultObject(name, Reference(*uids))
