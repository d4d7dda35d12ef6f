"""The patient data on the page, if requested."""

from miniseg_edge.errors import UsageError
from miniseg_edge.studies.dicom.file import header_from_file
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.seg.seg_copy import copied
from miniseg_edge.studies.seg.seg_elements import KEYWORDS
from miniseg_edge.studies.volume import Origin

_SAID = (
    ("Patient", "PatientName"), ("ID", "PatientID"), ("born", "PatientBirthDate"), ("study", "StudyDate"),
    ("accession", "AccessionNumber"),
)  # fmt: skip


def patient_of(origin: Origin) -> tuple[tuple[str, str], ...]:
    """Names and values from the first image's header, as far as present; the texts are untrusted.

    Raises:
        UsageError: not DICOM, so there is no patient data.
        UnsupportedFormatError: the header cannot be read again.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    if not origin.images:
        raise UsageError("the study does not name the patient", expected="a DICOM study", got=origin.format)
    file = origin.images[0].file
    with distrusted(file.name):
        header, _ = copied(header_from_file(file, KEYWORDS).dataset)
        values = [(word, str(header.get(keyword, "")).replace("^", " ").strip()) for word, keyword in _SAID]
    return tuple((word, value) for word, value in values if value)
