"""A burst from end to end: from a CT series that arrives as a DICOM folder to its DICOM SEG on disk.

For comparison, inference alone: the same engine and number of slices, all prepared before. The difference is opening,
decoding, preprocessing, masks, findings and writing, as far as they do not overlap with inference.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.segmenter.pipeline import in_flight
from miniseg_edge.runtimes.segmenter.preparation import PreparedSlice
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.study.formats import DICOM_SEG
from miniseg_edge.runtimes.study.outputs import outputs_of, write_results
from miniseg_edge.runtimes.study.segment_study import segmented_study
from miniseg_edge.slices.preprocessing import ByteArray, Window
from miniseg_edge.studies import open_study

PREPARED = 32
"""Different prepared slices for inference alone, in rotation, so that they are in no cache."""

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


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


def write_series(folder: Path, slices: Sequence[ByteArray], count: int, window: Window) -> Path:
    """A CT series of `count` files, as a scanner sends it: the slices in rotation, with a little individual noise.

    Args:
        folder: is made.
        slices: (H, W) uint8 grey of one size.
        count: of files.
        window: maps the grey values to HU.

    Raises:
        MissingDependencyError: the extra `dicom` is not installed.
    """
    pydicom: Any = require("pydicom", "dicom")
    folder.mkdir(parents=True)
    uid, random = pydicom.uid.generate_uid, np.random.default_rng(0)
    shared = {
        **{"SOPClassUID": _CT_IMAGE, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]},
        **{"StudyInstanceUID": uid(), "SeriesInstanceUID": uid(), "FrameOfReferenceUID": uid(), "PatientID": "PHANTOM"},
        **{"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 1},
        **{"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "RescaleSlope": 1, "RescaleIntercept": 0},
        **{"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [0.7, 0.7], "SliceThickness": 1},
    }
    for index in range(count):
        grey = slices[index % len(slices)].astype(np.float32)
        hu = np.rint(window.hu_from_grey(grey) + random.normal(0.0, 10.0, grey.shape)).astype("<i2")
        own = {"SOPInstanceUID": uid(), "ImagePositionPatient": [0, 0, index], "InstanceNumber": index + 1}
        dataset = pydicom.Dataset()
        for keyword, value in {**shared, **own, "Rows": hu.shape[0], "Columns": hu.shape[1]}.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = hu.tobytes()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(_EXPLICIT_LITTLE_ENDIAN)
        dataset.save_as(folder / f"{index:05d}.dcm", enforce_file_format=True)
    return folder
