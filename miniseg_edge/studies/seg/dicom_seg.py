"""A volume's mask as a DICOM Segmentation object that refers to its source images."""

import io
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from miniseg_edge.errors import InputError, UsageError
from miniseg_edge.host.dependencies import require, versions
from miniseg_edge.host.limits import host_limits
from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies.dicom.file import Dataset
from miniseg_edge.studies.dicom.frames import ENHANCED
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.seg.derived_uids import result_uids
from miniseg_edge.studies.seg.seg_sources import SegSources, no_seg, sources_of
from miniseg_edge.studies.volume import Geometry, Origin, SourceImage

SegFrames = Literal["lesion", "range", "all"]
SEG_FRAMES: tuple[SegFrames, ...] = ("lesion", "range", "all")
LESION, RANGE, ALL = SEG_FRAMES
"""Slices that become frames: those with lesion; from the first of them to the last; all."""

MANUFACTURER, MODEL = "MiniSeg Edge", "MiniSeg"
SERIES_DESCRIPTION = "COVID-19 lesions, research only"
SERIES_NUMBER_OFFSET = 1000
KIND = "dicom-seg"
"""The kind of result, as an input to its UIDs."""

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_PLACEHOLDER = "2.25."
"""Placeholder for an image's UID while the SEG is built, with the image's index."""

_OF_EACH = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


@host_limits()
def seg_sources(geometry: Geometry, origin: Origin) -> SegSources:
    """Everything that a DICOM SEG needs from the source images; detects what would make a SEG impossible.

    Args:
        geometry, origin: of the volume, which must come from DICOM; its first file's header is read again.

    Raises:
        DicomSegError: no SEG can be made of this series; names the element that is wrong, never its value.
        InputError: the first file differs from the one that was opened.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    sources = sources_of(geometry, origin)
    with distrusted(origin.images[0].file.name, no_seg):  # a trial with one empty slice
        encoded(_segmentation(np.zeros((1, *sources.size), np.uint8), sources, range(1), "", ""))
    return sources


@host_limits()
def dicom_seg_from_mask(
    mask: ByteArray, sources: SegSources, bundle_digest: str, ran: str = "", *, frames: SegFrames = "range"
) -> bytes:
    """A DICOM SEG (BINARY, one segment) in memory. It carries the patient and study of its source images.

    Viewers misplace segments whose frames have gaps, so by default there are none. The same mask of the same images by
    the same bundle gets the same UIDs each time (`derived_uids`).

    Args:
        mask: (D, H, W) uint8, lesion above 0, of the volume's upright slices in their order; it may be empty.
        sources: from `seg_sources`, of the same volume.
        bundle_digest: stored as the device's serial number, to identify what made the mask.
        ran: runtime, precision and device as text, stored with the software's version; "" omits it.
        frames: which slices become frames: "lesion" those with lesion, "range" from the first of them to the last,
            "all" all. Without lesion all slices do, which documents that they were examined.

    Raises:
        InputError: the mask does not match the volume's slices.
        UsageError: unknown `frames`.
        DicomSegError: pydicom or highdicom refuse to create it.
        HostMemoryError: the SEG does not fit into memory.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    check_seg_frames(frames)
    count, size = len(sources.images), sources.size
    if mask.ndim != 3 or (stored := sources.turn.stored(mask)).shape != (count, *size):
        height, width = reversed(size) if sources.turn.transposed else size
        raise InputError(
            "the mask does not fit the study", expected=f"({count}, {height}, {width})", got=str(mask.shape)
        )
    with distrusted(sources.images[0].file.name, no_seg):
        chosen = chosen_slices(stored, frames)
        pixels = stored[chosen[0] : chosen[-1] + 1] if isinstance(chosen, range) else stored[chosen]
        pixels = np.ascontiguousarray(pixels if pixels.max() <= 1 else np.minimum(pixels, 1))
        return encoded(_segmentation(pixels, sources, chosen, bundle_digest, ran))


def check_seg_frames(frames: str) -> None:
    """Raises: UsageError."""
    if frames not in SEG_FRAMES:
        raise UsageError("the choice of DICOM SEG frames is invalid", expected=", ".join(SEG_FRAMES), got=frames[:16])


def chosen_slices(mask: ByteArray, frames: SegFrames) -> Sequence[int]:
    """Indices of the slices (D, H, W) that become frames, in order."""
    lesion = [index for index, slice_ in enumerate(mask) if slice_.any()]
    if frames == ALL or not lesion:
        return range(len(mask))
    return lesion if frames == LESION else range(lesion[0], lesion[-1] + 1)


def _segmentation(
    pixels: ByteArray, sources: SegSources, chosen: Sequence[int], bundle_digest: str, ran: str
) -> Dataset:
    highdicom: Any = require("highdicom", "dicom")
    codes: Any = require("pydicom.sr.codedict", "dicom").codes
    version = software_version()
    uids = result_uids(sources.images, bundle_digest, KIND)
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
    made = highdicom.seg.Segmentation(
        source_images=_stand_ins(sources, chosen),
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[description],
        series_instance_uid=uids.series,
        series_number=series_number(sources.header, SERIES_NUMBER_OFFSET),
        sop_instance_uid=uids.instance(repr(tuple(chosen)), np.packbits(pixels).tobytes()),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=(version, ran) if ran else version,
        device_serial_number=bundle_digest,
        series_description=SERIES_DESCRIPTION,
        omit_empty_frames=False,
    )
    _refer(made, sources.images)
    if sources.slice_spacing_mm is None:  # highdicom invents one
        (measures,) = made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
        measures.pop("SpacingBetweenSlices", None)
    return made


def series_number(header: Dataset, offset: int) -> int:
    """The scanner's series number plus `offset`, if DICOM allows that number."""
    number = int(header.get("SeriesNumber") or 0) + offset
    return number if 0 < number < 2**31 else offset


def mark_equipment(made: Dataset, bundle_digest: str, ran: str) -> None:
    """Records what made the mask in an object: this package, the bundle as the device, and how it ran ("" omits it)."""
    version = software_version()
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, MODEL
    made.SoftwareVersions = [version, ran] if ran else version
    made.DeviceSerialNumber = bundle_digest


def software_version() -> str:
    """Ours."""
    return versions(("miniseg-edge",)).get("miniseg-edge", "unknown")


def _stand_ins(sources: SegSources, chosen: Sequence[int]) -> list[Dataset]:
    """A substitute image for each slice, all of classic CT and with placeholders for identifiers.

    So the SEG is built in the same way from one file per slice, from one for all, and from several multi-frame files.
    """
    pydicom: Any = require("pydicom", "dicom")
    number = pydicom.valuerep.format_number_as_ds
    common = pydicom.Dataset()
    for keyword in _OF_EACH:
        common.add(sources.header[keyword])
    common.SOPClassUID, common.Modality = _CT_IMAGE, "CT"
    common.Rows, common.Columns = sources.size
    plane = sources.plane
    common.ImageOrientationPatient = [number(float(c)) for c in (*plane.row_direction, *plane.column_direction)]
    made = []
    for index in chosen:
        image = pydicom.Dataset({element.tag: element for element in common})
        image.SOPInstanceUID = f"{_PLACEHOLDER}{index}"
        image.ImagePositionPatient = [number(float(c)) for c in sources.images[index].position_mm]
        made.append(image)
    first = made[0]  # highdicom takes the patient and the pixel size from the first only
    for element in sources.header:
        first.add(element)
    first.PixelSpacing = [number(float(side)) for side in plane.pixel_spacing_mm]
    first.SliceThickness = number(float(plane.thickness_mm or 0))
    if sources.slice_spacing_mm is not None:
        first.SpacingBetweenSlices = number(float(sources.slice_spacing_mm))
    return made


def _refer(made: Dataset, images: Sequence[SourceImage]) -> None:
    """Replaces placeholders by references to the real images, to all of the series and not only those of the frames."""
    pydicom: Any = require("pydicom", "dicom")
    references = []
    for class_uid, instance_uid in dict.fromkeys((image.sop_class_uid, image.sop_instance_uid) for image in images):
        reference = pydicom.Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = class_uid, instance_uid
        references.append(reference)
    made.SourceImageSequence = references
    made.ReferencedSeriesSequence[0].ReferencedInstanceSequence = references
    for group in made.PerFrameFunctionalGroupsSequence:
        (reference,) = group.DerivationImageSequence[0].SourceImageSequence
        image = images[int(reference.ReferencedSOPInstanceUID.removeprefix(_PLACEHOLDER))]
        reference.ReferencedSOPClassUID = image.sop_class_uid
        reference.ReferencedSOPInstanceUID = image.sop_instance_uid
        if image.sop_class_uid in ENHANCED:
            reference.ReferencedFrameNumber = image.frame + 1


def encoded(dataset: Dataset) -> bytes:
    """A DICOM object as a file in memory."""
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()
