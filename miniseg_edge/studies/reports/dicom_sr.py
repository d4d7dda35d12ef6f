"""A study's findings as a DICOM structured report (Enhanced SR, TID 1500) that refers to the images and to the SEG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from miniseg_edge.host.dependencies import require
from miniseg_edge.host.limits import host_limits
from miniseg_edge.plurals import number_of
from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies.dicom.file import Dataset
from miniseg_edge.studies.dicom.frames import ENHANCED
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.findings import Findings
from miniseg_edge.studies.reports.evidence import all_images
from miniseg_edge.studies.reports.words import RESEARCH_ONLY
from miniseg_edge.studies.seg.derived_uids import derived_uid, result_uids
from miniseg_edge.studies.seg.dicom_seg import MANUFACTURER, MODEL, encoded, mark_equipment, series_number
from miniseg_edge.studies.seg.seg_sources import SegSources, no_seg
from miniseg_edge.studies.volume import SourceImage

KIND = "dicom-sr"
SERIES_DESCRIPTION = "COVID-19 lesions, findings, research only"
_SERIES_NUMBER_OFFSET = 2000
_CHEST_CT = ("169069000", "SCT", "Computed tomography of chest")


@dataclass(frozen=True)
class _Frames:
    """Frames of the SEG, numbered from 1, and the source image of each."""

    numbers: tuple[int, ...]
    images: tuple[SourceImage, ...]


@host_limits()
def dicom_sr_from_findings(findings: Findings, mask: ByteArray, sources: SegSources, seg: bytes) -> bytes:
    """A structured report in memory: volume in ml, number of lesions, and what segmented which images.

    It is unverified and preliminary, and states that it is for research only. The same findings get the same UIDs each
    time (`derived_uids`).

    Args:
        findings: of the mask; their bundle, runtime, precision and device go into the report, their remarks do not.
        mask: (D, H, W) uint8, lesion above 0, of the volume's upright slices in their order.
        sources: from `seg_sources`, of the same volume.
        seg: the DICOM SEG of the mask, from `dicom_seg_from_mask`.

    Raises:
        DicomSegError: pydicom or highdicom refuse to create it.
        HostMemoryError: the report does not fit into memory.
        MissingDependencyError: the extra `dicom` is not installed.

    Thread-safety: no state is shared.
    """
    with distrusted(sources.images[0].file.name, no_seg):
        segmentation = require("pydicom", "dicom").dcmread(io.BytesIO(seg), stop_before_pixels=True)
        frames = _frames(segmentation, mask, sources.images)
        return encoded(_report(findings, sources, segmentation, frames))


def _frames(segmentation: Dataset, mask: ByteArray, images: Sequence[SourceImage]) -> _Frames:
    """The images with lesion; all images if there is none."""
    slices = {(image.sop_instance_uid, image.frame): index for index, image in enumerate(images)}
    drawn_on = []
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        drawn_on.append(slices[source.ReferencedSOPInstanceUID, int(source.get("ReferencedFrameNumber", 1)) - 1])
    chosen = [number for number, index in enumerate(drawn_on, 1) if np.any(mask[index])] or range(1, len(drawn_on) + 1)
    return _Frames(tuple(chosen), tuple(images[drawn_on[number - 1]] for number in chosen))


def _report(findings: Findings, sources: SegSources, segmentation: Dataset, frames: _Frames) -> Dataset:
    highdicom: Any = require("highdicom", "dicom")
    ran = findings.ran
    uids = result_uids(sources.images, ran.bundle_digest, KIND)
    made = highdicom.sr.EnhancedSR(
        evidence=[*all_images(sources), segmentation],
        content=_content(findings, segmentation, frames),
        series_instance_uid=uids.series,
        series_number=series_number(sources.header, _SERIES_NUMBER_OFFSET),
        sop_instance_uid=uids.instance(str(segmentation.SOPInstanceUID)),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=SERIES_DESCRIPTION,
    )
    mark_equipment(made, ran.bundle_digest, f"{ran.runtime} {ran.precision} {ran.device}")
    return made


def _content(findings: Findings, segmentation: Dataset, frames: _Frames) -> Any:
    sr: Any = require("highdicom", "dicom").sr
    codes: Any = require("pydicom.sr.codedict", "dicom").codes
    ran = findings.ran
    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", ran.bundle_digest),
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=MODEL,
            serial_number=ran.bundle_digest,
        ),
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=sr.CodedConcept(*_CHEST_CT),
        imaging_measurements=[_measured(findings, segmentation, frames)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    # Placed after the measurements, where TID 1500 may be extended; before them, readers would look for its own rows.
    report[0].ContentSequence.append(
        sr.TextContentItem(
            name=codes.DCM.Comment, value=_comment(findings), relationship_type=sr.RelationshipTypeValues.CONTAINS
        )
    )
    return report


def _comment(findings: Findings) -> str:
    result = "lesion found" if findings.finding else "no lesion found"
    return (
        f"{RESEARCH_ONLY}. {result}: {findings.lesion_volume_ml:.2f} ml in {number_of(findings.lesions, 'lesion')} on "
        f"{len(findings.slices_with_findings)} of {number_of(findings.slices, 'slice')}, "
        "drawn by a research model and unverified."
    )


def _measured(findings: Findings, segmentation: Dataset, frames: _Frames) -> Any:
    """Volume and number of all lesions together."""
    sr: Any = require("highdicom", "dicom").sr
    codes: Any = require("pydicom.sr.codedict", "dicom").codes
    ran = findings.ran
    algorithm = sr.AlgorithmIdentification(
        name=MODEL,
        version=str(segmentation.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion),
        parameters=[
            f"bundle digest {ran.bundle_digest}", f"runtime {ran.runtime}", f"precision {ran.precision}",
            f"device {ran.device}", RESEARCH_ONLY,
        ],
    )  # fmt: skip
    segment = sr.ReferencedSegment(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        segment_number=1,
        frame_numbers=list(frames.numbers),
        source_images=[_source_image(sr, image) for image in frames.images],
    )
    # Only frames: each belongs to the one segment, and DICOM allows only one of the two.
    del segment[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    volume = float(f"{findings.lesion_volume_ml:.6g}")
    lesions = sr.Measurement(
        sr.CodedConcept("246206008", "SCT", "Number of lesions"), findings.lesions, codes.UCUM.NoUnits
    )
    lesions[0].MeasuredValueSequence[0].NumericValue = f"{findings.lesions}"  # highdicom writes 2.0
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=derived_uid("lesions", str(segmentation.SOPInstanceUID)), identifier="COVID-19 lesions"
        ),
        referenced_segment=segment,
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_type=codes.SCT.Lesion,
        finding_sites=[sr.FindingSite(codes.SCT.Lung)],
        algorithm_id=algorithm,
        measurements=[
            sr.Measurement(codes.SCT.Volume, volume, sr.CodedConcept("ml", "UCUM", "ml")),
            lesions,
        ],
    )


def _source_image(sr: Any, image: SourceImage) -> Any:
    frames = [image.frame + 1] if image.sop_class_uid in ENHANCED else None
    return sr.SourceImageForSegmentation(image.sop_class_uid, image.sop_instance_uid, frames)
