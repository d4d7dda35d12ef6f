"""The target `seg`: a DICOM SEG's copy of its source's header."""

import io
import tempfile
import zlib
from pathlib import Path

import highdicom  # noqa: F401  now, not in the first execution, which may not take long
import numpy as np
import pydicom
from pydicom.valuerep import validate_value

from miniseg_edge.errors import MiniSegError
from miniseg_edge.studies.dicom.file import header_from_file
from miniseg_edge.studies.dicom.values import VALUE_REPRESENTATIONS
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.seg.dicom_seg import dicom_seg_from_mask
from miniseg_edge.studies.seg.seg_copy import copied
from miniseg_edge.studies.seg.seg_elements import KEYWORDS, UIDS
from miniseg_edge.studies.seg.seg_sources import SegSources
from miniseg_edge.studies.source_files import DiskFile
from miniseg_edge.studies.turning import UPRIGHT
from miniseg_edge.studies.volume import Plane, SourceImage
from tests.studies.raw_headers import raw_file
from tests.studies.series import header

BEFORE_ELEMENTS = raw_file(header(0), dict.fromkeys(header(0).dir()))
"""A file up to its elements."""

_WORDS = ["corrected", "guessed", "the", "character", "set", "of", "could", "not", "copy", "or", "not", "completely"]
_PATH = Path(tempfile.mkdtemp(prefix="miniseg-fuzz-")) / "fuzzed.dcm"


def seg(data: bytes) -> None:
    """Elements of a header in explicit VR, little endian, as a DICOM SEG copies them: whatever comes is copied validly.

    Of one in 64, picked by its bytes, a whole SEG is made, which takes some thirty times as long.
    """
    _PATH.write_bytes(BEFORE_ELEMENTS + data)
    with distrusted(_PATH.name):
        copy, remarks = copied(header_from_file(DiskFile(_PATH), KEYWORDS).dataset)
    for remark in remarks:
        told = remark.removeprefix("DICOM SEG: ").split(" ")
        assert {word.strip(",") for word in told} <= {*KEYWORDS, *_WORDS}, "a remark that says more than keywords"
    encoded = io.BytesIO()
    pydicom.dcmwrite(encoded, copy, implicit_vr=False, little_endian=True)
    _check_values(pydicom.dcmread(io.BytesIO(encoded.getvalue()), force=True))
    if zlib.crc32(data) % 64 == 0:
        _check_segmentation(copy)


def _check_segmentation(copy: pydicom.Dataset) -> None:
    for keyword in UIDS:
        setattr(copy, keyword, copy.get(keyword) or "1.2.3")
    plane = Plane((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.5), 1.0)
    image = SourceImage(DiskFile(_PATH), "1.2.840.10008.5.1.4.1.1.2", "1.2.4", 0, plane.position_mm)
    try:
        sources = SegSources(copy, (image,), (2, 4), UPRIGHT, plane, None, ())
        encoded = dicom_seg_from_mask(np.ones((1, 2, 4), np.uint8), sources, "d")
    except MiniSegError as error:
        raise AssertionError("a copy that makes no SEG") from error
    _check_values(pydicom.dcmread(io.BytesIO(encoded)))


def _check_values(dataset: pydicom.Dataset) -> None:
    """Converts every value, in sequences too, and validates what is text."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _check_values(item)
        elif element.VR in VALUE_REPRESENTATIONS and element.value is not None:
            several = isinstance(element.value, pydicom.multival.MultiValue)
            for value in element.value if several else [element.value]:
                validate_value(element.VR, str(value), pydicom.config.RAISE)
