"""A node's records in its spool besides images and results: small JSON files, each complete or absent."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.errors import IntegrityError
from miniseg_edge.host.files import bytes_from_file, replace_file

MAX_RECORD_BYTES = 8 * 2**20

Record = TypeVar("Record")

DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@dataclass(frozen=True)
class Reference:
    """A DICOM object: its SOP class, its own UID, and its series'."""

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str


@dataclass(frozen=True)
class Taken:
    """`taken.json`: the images of a round, fixed permanently.

    Attributes:
        images: keys of the images.
        replaces: results of an earlier round that the new ones replace.
    """

    images: tuple[str, ...]
    replaces: tuple[Reference, ...]


@dataclass(frozen=True)
class ResultObject:
    """A result to send: its file in `results/`, and its identifiers."""

    file: str
    reference: Reference


@dataclass(frozen=True)
class Drawn:
    """`drawn.json`: all results of a round are written.

    Attributes:
        objects: to send, in this order.
        slices, lesions: in the volume.
        lesion_volume_ml: of all lesions.
        seconds: since the round's start.
    """

    objects: tuple[ResultObject, ...]
    slices: int
    lesions: int
    lesion_volume_ml: float
    seconds: float


@dataclass(frozen=True)
class End:
    """`end.json`: a round is over.

    Attributes:
        status: "done": sent to every archive; "skipped": there was nothing to segment; "failed": a dead letter.
        code: of the error, or "".
        reason: the error as text, or "".
    """

    status: str
    code: str
    reason: str


@dataclass(frozen=True)
class Answered:
    """What is kept of a series after its images are deleted: nothing about the patient.

    Attributes:
        number: counts answered series, so that the oldest are removed first.
        images: keys of the images of the last result.
        results: that were sent.
    """

    number: int
    images: tuple[str, ...]
    results: tuple[Reference, ...]


def write_record(path: Path, record: object) -> None:
    """Raises: OutputError."""
    replace_file(path, json_from_record(record).encode())


def read_record(kind: type[Record], path: Path) -> Record | None:
    """None if the file is missing. Raises: IntegrityError if it is something else."""
    if not path.is_file():
        return None
    data = object_from_json(bytes_from_file(path, MAX_RECORD_BYTES, IntegrityError), path.name, IntegrityError)
    return record_from_object(kind, data, path.name, IntegrityError)
