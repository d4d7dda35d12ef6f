"""Records in a result which earlier result it replaces, where viewers and archives look for it."""

from collections.abc import Sequence
from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.runtimes.node.keeping.records import Reference
from miniseg_edge.studies.dicom.file import Dataset

_SR_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
_SAID = "Replaces "


def mark_replacing(made: Dataset, replaced: Sequence[Reference]) -> None:
    """Names earlier results of the same kind in a result.

    A structured report names them as predecessor documents. Images name their series as a related one, and the earlier
    images in the comments that viewers show.
    """
    alike = [one for one in replaced if one.sop_class_uid == str(made.SOPClassUID)]
    alike = [one for one in alike if one.sop_instance_uid != str(made.SOPInstanceUID)]
    if not alike:
        return
    if str(made.SOPClassUID).startswith(_SR_CLASSES):
        made.PredecessorDocumentsSequence = [_study(str(made.StudyInstanceUID), alike)]
        return
    made.RelatedSeriesSequence = [
        _item(StudyInstanceUID=made.StudyInstanceUID, SeriesInstanceUID=series, PurposeOfReferenceCodeSequence=[])
        for series in dict.fromkeys(one.series_uid for one in alike)
    ]
    made.ImageComments = _SAID + ", ".join(one.sop_instance_uid for one in alike[:8])


def _study(study_uid: str, replaced: Sequence[Reference]) -> Dataset:
    series = []
    for uid in dict.fromkeys(one.series_uid for one in replaced):
        objects = [
            _item(ReferencedSOPClassUID=one.sop_class_uid, ReferencedSOPInstanceUID=one.sop_instance_uid)
            for one in replaced
            if one.series_uid == uid
        ]
        series.append(_item(SeriesInstanceUID=uid, ReferencedSOPSequence=objects))
    return _item(StudyInstanceUID=study_uid, ReferencedSeriesSequence=series)


def _item(**elements: object) -> Dataset:
    pydicom: Any = require("pydicom", "node")
    found = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(found, keyword, value)
    return found
