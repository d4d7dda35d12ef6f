"""The elements that a DICOM SEG copies from its source's header, as tables: DICOM PS3.3, C.7.1 to C.7.3."""

from dataclasses import dataclass

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")

TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName",
    "StudyID", "AccessionNumber", "PositionReferenceIndicator",
)  # fmt: skip
"""Required, but may be empty."""

OPTIONAL = (
    # the patient
    "IssuerOfPatientID", "TypeOfPatientID", "PatientBirthTime", "QualityControlSubject", "OtherPatientNames",
    "PatientComments",
    # the study
    "ConsultingPhysicianName", "StudyDescription", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy",
    "RequestingService",
    # the patient at the time of the study
    "AdmittingDiagnosesDescription", "PatientAge", "PatientSize", "PatientBodyMassIndex", "PatientWeight",
    "MedicalAlerts", "Allergies", "Occupation", "SmokingStatus", "AdditionalPatientHistory", "PregnancyStatus",
    "LastMenstrualDate", "ReasonForVisit", "AdmissionID", "ServiceEpisodeID", "ServiceEpisodeDescription",
    "PatientState",
    # the scanner
    "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DeviceSerialNumber", "InstitutionName",
    "InstitutionalDepartmentName", "InstitutionAddress", "StationName",
    # the series
    "SeriesNumber", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip

TERMS: dict[str, tuple[str, ...]] = {
    **{"PatientSex": ("M", "F", "O"), "SmokingStatus": ("YES", "NO", "UNKNOWN"), "LossyImageCompression": ("00", "01")},
    **{"QualityControlSubject": ("YES", "NO"), "PatientIdentityRemoved": ("YES", "NO")},
    **{"PregnancyStatus": ("1", "2", "3", "4"), "TypeOfPatientID": ("TEXT", "RFID", "BARCODE")},
    "UniversalEntityIDType": ("DNS", "EUI64", "ISO", "URI", "UUID", "X400", "X500"),
}
"""Enumerated values."""

SYNONYMS = {"PatientSex": {"MALE": "M", "FEMALE": "F", "OTHER": "O"}}
"""Unambiguous corrections of enumerated values."""


@dataclass(frozen=True)
class Whole:
    """Elements that are copied together or not at all.

    Attributes:
        either: groups of elements, one of which must be complete.
        empty: elements that are required but may be empty.
        optional: elements that may be present.
    """

    either: tuple[tuple[str, ...], ...]
    empty: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def keywords(self) -> tuple[str, ...]:
        """Of all elements, each once."""
        return tuple(dict.fromkeys((*sum(self.either, ()), *self.empty, *self.optional)))


CODE = Whole((("CodeValue", "CodingSchemeDesignator", "CodeMeaning"),), optional=("CodingSchemeVersion",))
REFERENCE = Whole((("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),))
ISSUER = Whole((("LocalNamespaceEntityID",), ("UniversalEntityID", "UniversalEntityIDType")))
OTHER_ID = Whole((("PatientID", "TypeOfPatientID"),), optional=("IssuerOfPatientID",))

SEQUENCES = {
    "ReferencedPatientSequence": REFERENCE,
    "OtherPatientIDsSequence": OTHER_ID,
    "ReferencedStudySequence": REFERENCE,
    "IssuerOfAccessionNumberSequence": ISSUER,
    "ProcedureCodeSequence": CODE,
    "ReasonForPerformedProcedureCodeSequence": CODE,
    "RequestingServiceCodeSequence": CODE,
    "AdmittingDiagnosesCodeSequence": CODE,
    "ReasonForVisitCodeSequence": CODE,
    "IssuerOfAdmissionIDSequence": ISSUER,
    "DeidentificationMethodCodeSequence": CODE,
}
"""Sequence -> the elements of its items; others are not copied."""

SINGLE_ITEMS = (
    "ReferencedPatientSequence", "IssuerOfAccessionNumberSequence", "RequestingServiceCodeSequence",
    "IssuerOfAdmissionIDSequence",
)  # fmt: skip
"""Sequences that may have one item."""

_REMOVED = "PatientIdentityRemoved"
_TRIAL = ("ClinicalTrialSponsorName", "ClinicalTrialProtocolID")
WHOLES = (
    Whole(((_REMOVED, "DeidentificationMethod"), (_REMOVED, "DeidentificationMethodCodeSequence"))),
    Whole(
        ((*_TRIAL, "ClinicalTrialSubjectID"), (*_TRIAL, "ClinicalTrialSubjectReadingID")),
        empty=("ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName"),
    ),
    Whole((("ClinicalTrialTimePointID",),), optional=("ClinicalTrialTimePointDescription",)),
)

_IN_WHOLES = dict.fromkeys(keyword for whole in WHOLES for keyword in whole.keywords)
ELEMENTS = (*UIDS, *TYPE_2, *OPTIONAL, *(keyword for keyword in _IN_WHOLES if keyword not in SEQUENCES))
"""Everything that is copied, except sequences."""

KEYWORDS = ("SpecificCharacterSet", *ELEMENTS, *SEQUENCES)
"""The keywords to read from a header."""
