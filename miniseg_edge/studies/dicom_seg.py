"""A volume's mask as a DICOM Segmentation object that refers to the images it was drawn on."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from miniseg_edge.dependencies import require, versions
from miniseg_edge.errors import InputError, UsageError
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.silence import silence
from miniseg_edge.studies.volume import Origin, SourceImage

MANUFACTURER, MODEL = "MiniSeg Edge", "MiniSeg"
_TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName",
    "StudyID", "AccessionNumber", "PositionReferenceIndicator",
)  # fmt: skip
_SHARED = (
    "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Rows", "Columns", "ImageOrientationPatient",
)  # fmt: skip
"""What opening a study found to be one for all its images."""

SERIES_DESCRIPTION = "COVID-19 lesions, research only"


def dicom_seg_from_mask(mask: ByteArray, origin: Origin, bundle_digest: str, ran: str = "") -> bytes:
    """A DICOM SEG (BINARY, one segment) in memory. It carries the patient and study of its source images.

    Args:
        mask: (D, H, W) uint8, lesion above 0, in the order of the volume's slices; it may be empty.
        origin: of the volume, which must come from DICOM; its first file is read again, for patient and study.
        bundle_digest: goes into the object as the device's serial number: what drew it.
        ran: runtime, precision and device in words, beside the software's version; "" leaves it out.

    Raises:
        UsageError: the volume did not come from DICOM.
        InputError: the mask has not the volume's slices, or the first file is another than the one that was opened.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    if not origin.images:
        raise UsageError("a DICOM SEG refers to DICOM images", "a DICOM study", origin.format)
    if mask.ndim != 3 or len(mask) != len(origin.images):
        raise InputError("the mask does not fit the study", f"({len(origin.images)}, H, W)", str(mask.shape))
    with silence():  # the libraries' remarks on the sources may quote the patient
        return _encoded(_segmentation(mask if mask.max() <= 1 else np.minimum(mask, 1), origin, bundle_digest, ran))


def _segmentation(mask: ByteArray, origin: Origin, bundle_digest: str, ran: str) -> Any:
    highdicom: Any = require("highdicom", "dicom")
    codes: Any = require("pydicom.sr.codedict", "dicom").codes
    version = versions(("miniseg-edge",)).get("miniseg-edge", "unknown")
    description = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="COVID-19 lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=MODEL, family=codes.DCM.ArtificialIntelligence, version=version
        ),
    )
    sources, pixels = _sources(mask, origin)
    return highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[description],
        series_instance_uid=highdicom.UID(),
        series_number=int(sources[0].get("SeriesNumber") or 0) + 1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=(version, ran) if ran else version,
        device_serial_number=bundle_digest,
        series_description=SERIES_DESCRIPTION,
        omit_empty_frames=bool(mask.any()),
    )


def _sources(mask: ByteArray, origin: Origin) -> tuple[list[Any], ByteArray]:
    """The images in the order of the slices, and the mask; of a multi-frame object both in its frames' order."""
    read: Any = require("pydicom", "dicom").dcmread
    if len({image.path for image in origin.images}) == len(origin.images):
        first = _complete(read(origin.images[0].path, stop_before_pixels=True))
        _check_unchanged(first, origin.images[0])
        return [first, *_neighbours(first, origin.images[1:])], mask
    source = _complete(read(origin.images[0].path))
    _check_unchanged(source, origin.images[0])
    frames = np.zeros((int(source.NumberOfFrames), *mask.shape[1:]), np.uint8)
    frames[[image.frame for image in origin.images]] = mask
    return [source], frames


def _neighbours(first: Any, images: Sequence[SourceImage]) -> Iterator[Any]:
    """The series' other images, as far as a SEG refers to them: what they share with the first, and their own.

    Reading their headers again would take longer than all the rest: opening the study has read what is needed.
    """
    pydicom: Any = require("pydicom", "dicom")
    shared = [first[keyword] for keyword in _SHARED if keyword in first]
    for image in images:
        made = pydicom.Dataset()
        for element in shared:
            made.add(element)
        made.SOPClassUID, made.SOPInstanceUID = image.sop_class_uid, image.sop_instance_uid
        made.ImagePositionPatient = list(image.position_mm)
        yield made


def _check_unchanged(source: Any, image: SourceImage) -> None:
    if str(source.SOPInstanceUID) != image.sop_instance_uid:
        raise InputError(f"{image.path.name} changed while it was read", "the file that was opened", "another")


def _complete(dataset: Any) -> Any:
    """With the elements of type 2, which must be there but may be empty, where the scanner left them out."""
    for keyword in _TYPE_2:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    return dataset


def _encoded(dataset: Any) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()
