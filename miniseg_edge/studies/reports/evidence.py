"""The images that a report refers to, as datasets that highdicom accepts."""

from typing import Any

from miniseg_edge.host.dependencies import require
from miniseg_edge.studies.dicom.file import Dataset
from miniseg_edge.studies.seg.seg_sources import SegSources
from miniseg_edge.studies.volume import SourceImage


def first_image(sources: SegSources) -> Dataset:
    """The first image, with the patient and the study."""
    image = _image(sources, sources.images[0])
    for element in sources.header:
        image.add(element)
    return image


def all_images(sources: SegSources) -> list[Dataset]:
    """Each image once, also an enhanced one, the first as `first_image`."""
    each = {image.sop_instance_uid: image for image in sources.images}
    return [first_image(sources), *(_image(sources, image) for image in list(each.values())[1:])]


def _image(sources: SegSources, source: SourceImage) -> Dataset:
    pydicom: Any = require("pydicom", "dicom")
    image = pydicom.Dataset()
    image.StudyInstanceUID = sources.header.StudyInstanceUID
    image.SeriesInstanceUID = sources.header.SeriesInstanceUID
    image.SOPClassUID, image.SOPInstanceUID = source.sop_class_uid, source.sop_instance_uid
    return image
