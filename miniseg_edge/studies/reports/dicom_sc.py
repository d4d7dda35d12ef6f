"""Slices with their lesion outlined, as a series of DICOM secondary captures that any viewer shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from miniseg_edge.host.dependencies import require
from miniseg_edge.host.limits import host_limits
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray
from miniseg_edge.studies.dicom.file import Dataset
from miniseg_edge.studies.dicom.frames import ENHANCED
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.pictures import slice_picture
from miniseg_edge.studies.reports.evidence import first_image
from miniseg_edge.studies.reports.windows import LUNG
from miniseg_edge.studies.reports.words import RESEARCH_ONLY
from miniseg_edge.studies.seg.derived_uids import ResultUids, result_uids
from miniseg_edge.studies.seg.dicom_seg import MANUFACTURER, encoded, mark_equipment, series_number
from miniseg_edge.studies.seg.seg_sources import SegSources, no_seg
from miniseg_edge.studies.volume import Point

KIND = "dicom-sc"
SERIES_DESCRIPTION = "COVID-19 lesions outlined, research only"
_SERIES_NUMBER_OFFSET = 3000

_MIN_WIDTH = 320
"""Narrower pictures are enlarged by a whole factor, because the text would be illegible."""

_MARGIN, _LINE = 8, 20
_FONT_SCALE = 0.45
_WHITE = (255, 255, 255)
_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))
_OBLIQUE = 0.1
"""A direction's components below this are ignored."""


@host_limits()
def dicom_sc_from_slice(
    slice_hu: FloatArray, mask: ByteArray, index: int, sources: SegSources, *, bundle_digest: str, ran: str = ""
) -> bytes:
    """A secondary capture of one slice in memory: through the lung window, lesion tinted and outlined, RGB.

    Above the slice are the words "research only", the bundle, the slice's number and the lesion's area. They hide no
    anatomy and do not name the patient, so Burned In Annotation is NO. The same picture gets the same UIDs each time.

    Args:
        slice_hu: (H, W) float32, HU, upright.
        mask: (H, W) uint8, lesion above 0, upright.
        index: of the slice, from 0.
        sources: from `seg_sources`, of the volume.
        bundle_digest, ran: as in `dicom_seg_from_mask`.

    Raises:
        DicomSegError: pydicom or highdicom refuse to create it.
        MissingDependencyError: the extra `dicom` is not installed.

    Thread-safety: no state is shared.
    """
    stored_hu, stored_mask = (np.ascontiguousarray(sources.turn.stored(one)) for one in (slice_hu, mask))
    rows_mm, columns_mm = sources.plane.pixel_spacing_mm
    area_mm2 = int(np.count_nonzero(mask)) * rows_mm * columns_mm
    words = (f"{RESEARCH_ONLY}", f"MiniSeg {bundle_digest[:12]}, slice {index}, {area_mm2:.0f} mm2")
    picture = _with_words(slice_picture(stored_hu, stored_mask, LUNG)[..., ::-1], words)
    uids = result_uids(sources.images, bundle_digest, KIND)
    with distrusted(sources.images[0].file.name, no_seg):
        made = _capture(picture, index, sources, uids)
        mark_equipment(made, bundle_digest, ran)
        return encoded(made)


def _with_words(picture: ByteArray, words: Sequence[str]) -> ByteArray:
    """The RGB picture, enlarged if it is small, below a black band with the text."""
    from miniseg_edge.host.opencv import cv2

    times = -(-_MIN_WIDTH // picture.shape[1])
    picture = np.repeat(np.repeat(picture, times, axis=0), times, axis=1)
    band = np.zeros((_LINE * len(words) + _MARGIN, picture.shape[1], 3), np.uint8)
    for line, text in enumerate(words, 1):
        cv2.putText(band, text, (_MARGIN, _LINE * line), cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, _WHITE, 1, cv2.LINE_AA)
    return np.concatenate((band, picture))


def _capture(picture: ByteArray, index: int, sources: SegSources, uids: ResultUids) -> Dataset:
    highdicom: Any = require("highdicom", "dicom")
    pydicom: Any = require("pydicom", "dicom")
    header, image = sources.header, sources.images[index]
    made = highdicom.sc.SCImage(
        pixel_array=picture,
        photometric_interpretation=highdicom.PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=highdicom.CoordinateSystemNames.PATIENT,
        study_instance_uid=header.StudyInstanceUID,
        series_instance_uid=uids.series,
        series_number=series_number(header, _SERIES_NUMBER_OFFSET),
        sop_instance_uid=uids.instance(f"{index}", picture.tobytes()),
        instance_number=index + 1,
        manufacturer=MANUFACTURER,
        patient_orientation=("L", "P"),  # highdicom knows no oblique ones
        series_description=SERIES_DESCRIPTION,
        specific_character_set=str(header.SpecificCharacterSet),
    )
    made.copy_patient_and_study_information(first_image(sources))
    made.Laterality = ""  # empty for a chest, which verifiers report as missing
    plane = sources.plane
    made.PatientOrientation = [_letters(plane.row_direction), _letters(plane.column_direction)]
    made.BurnedInAnnotation = "NO"
    made.DerivationDescription = f"CT through the lung window with lesions outlined. {RESEARCH_ONLY}."
    source = pydicom.Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = image.sop_class_uid, image.sop_instance_uid
    if image.sop_class_uid in ENHANCED:
        source.ReferencedFrameNumber = image.frame + 1
    made.SourceImageSequence = [source]
    return made


def _letters(direction: Point) -> str:
    """A direction in DICOM's notation: the largest component first, such as "LP"."""
    order = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    return "".join(_LETTERS[axis][direction[axis] < 0] for axis in order if abs(direction[axis]) > _OBLIQUE)
