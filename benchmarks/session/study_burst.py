"""A burst from end to end: from a CT series that arrives as a DICOM folder to its DICOM SEG on disk.

For comparison, inference alone: the same engine and number of slices, all prepared before. The difference is opening,
decoding, preprocessing, masks, findings and writing, as far as they do not overlap with inference.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.runtimes.segmenter.pipeline import in_flight
from miniseg_edge.runtimes.segmenter.preparation import PreparedSlice
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.study.formats import DICOM_SEG
from miniseg_edge.runtimes.study.outputs import outputs_of, write_results
from miniseg_edge.runtimes.study.segment_study import segmented_study
from miniseg_edge.studies import open_study

PREPARED = 32
"""Different prepared slices for inference alone, in rotation, so that they are in no cache."""


@dataclass(frozen=True)
class StudyBurst:
    """One turn, in ms: inference alone, before and after; from the folder to the first mask, and to the DICOM SEG."""

    slices: int
    inference_ms: tuple[float, float]
    first_mask_ms: float
    whole_ms: float


def study_burst(segmenter: Segmenter, series: Path, output: Path) -> StudyBurst:
    """Segments the series from end to end once; `output` gets its DICOM SEG, which is replaced if it is there."""
    study = open_study(series)
    prepared = [segmenter.prepare_hu(study.read(i).voxels_hu, judged=True) for i in range(min(PREPARED, len(study)))]
    before = inference_ms(segmenter, prepared, len(study))
    masks_ms: list[float] = []
    start = time.perf_counter()
    study = open_study(series)
    outputs = outputs_of(study, (DICOM_SEG,))
    segmented = segmented_study(study, segmenter, lambda done, of: masks_ms.append(_ms_since(start)))
    write_results(segmented, segmenter, output, outputs)
    whole = _ms_since(start)
    return StudyBurst(len(study), (before, inference_ms(segmenter, prepared, len(study))), masks_ms[0], whole)


def inference_ms(segmenter: Segmenter, prepared: Sequence[PreparedSlice], count: int) -> float:
    """The time of the engine alone for `count` slices, the prepared ones in rotation."""
    runtime = segmenter.runtime
    start = time.perf_counter()
    slices = itertools.islice(itertools.cycle(prepared), count)
    for _ in in_flight(lambda slice_: runtime.infer(slice_.network_input), slices, runtime.streams):
        pass
    return _ms_since(start)


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
