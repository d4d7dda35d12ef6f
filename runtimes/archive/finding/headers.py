"""What a file is, from the start of it."""

import posixpath
from dataclasses import dataclass
from typing import Any

from miniseg_edge.errors import InputError, MissingDependencyError, PathEscapeError, StorageError
from miniseg_edge.runtimes.archive.finding.records import ALONE, OTHER, SLICE, UNREADABLE, key_of
from miniseg_edge.runtimes.archive.source import ArchiveFile, Source
from miniseg_edge.studies.dicom.content import LOOKED_AT, form_of
from miniseg_edge.studies.dicom.dicomdir import is_dicomdir
from miniseg_edge.studies.dicom.file import series_facts_in
from miniseg_edge.studies.dicom.plain_start import SeriesFacts, facts_in_start
from miniseg_edge.studies.nifti.names import is_nifti_name
from miniseg_edge.studies.other_files import known_as

_MAX_WORD = 16
"""Characters of a modality: DICOM's own code strings have no more."""


@dataclass(frozen=True)
class Header:
    """The columns of a file that its header fills.

    Attributes:
        state: one of `records`.
        key: of its series; None if it has none.
        study: a hash of the StudyInstanceUID; None if it does not say.
        modality, frames, rows, columns: as it says, None if it does not.
    """

    state: int
    key: str | None = None
    study: str | None = None
    modality: str | None = None
    frames: int | None = None
    rows: int | None = None
    columns: int | None = None


def header_of(source: Source, file: ArchiveFile) -> Header:
    """Reads the start of a file, if its name does not tell enough. Raises: StorageError, MissingDependencyError."""
    if is_nifti_name(file.name):
        return Header(ALONE, key_of_file(file.name))
    if is_dicomdir(posixpath.basename(file.name)):
        return Header(OTHER)
    if file.is_outside:  # so its name alone can tell
        return Header(_unless_known(file.name, b""))
    try:
        with source.head(file.name) as opened:
            start = opened.read(LOOKED_AT)
            if (form := form_of(start)) is None:
                return Header(_unless_known(file.name, start))
            facts = facts_in_start(start) if form.is_standard else None
            if facts is None:
                opened.seek(0)
                facts = series_facts_in(opened, file.name, form)
    except (MissingDependencyError, StorageError):  # not the file's fault
        raise
    except (InputError, PathEscapeError, OSError):
        return Header(UNREADABLE)
    return _header(facts)


def key_of_file(name: str) -> str:
    """The key of a file that is a series of its own."""
    return key_of(f"file {name}")


def columns_of(header: Header) -> dict[str, Any]:
    """As a row has them."""
    return dict(vars(header))


def _unless_known(name: str, start: bytes) -> int:
    return UNREADABLE if known_as(name, start) is None else OTHER


def _header(facts: SeriesFacts) -> Header:
    if not facts.uid:
        return Header(UNREADABLE)
    study = key_of(f"study {facts.study_uid}") if facts.study_uid else None
    modality = facts.modality if 0 < len(facts.modality) <= _MAX_WORD and facts.modality.isalnum() else None
    return Header(SLICE, key_of(f"series {facts.uid}"), study, modality, facts.frames, facts.rows, facts.columns)
