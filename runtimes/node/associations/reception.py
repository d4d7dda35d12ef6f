"""Processes a received object: inspected, written to disk, acknowledged; or refused with a DICOM status."""

import filecmp
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.console.logs import logger_of
from miniseg_edge.errors import InputError, MiniSegError, OutputError
from miniseg_edge.host.limits import limit_behind
from miniseg_edge.runtimes.node import rules as rules_of
from miniseg_edge.runtimes.node.desk import Desk
from miniseg_edge.runtimes.node.keeping.spool import Spool, key_of
from miniseg_edge.runtimes.node.limits import MIB, NodeLimits
from miniseg_edge.runtimes.node.memory import resident_bytes
from miniseg_edge.runtimes.node.rules import IGNORE, REFUSE, Rules
from miniseg_edge.studies.dicom.file import Header, header_from_file, open_file, pixel_layout
from miniseg_edge.studies.dicom.frames import KEYWORDS, said, uid_of
from miniseg_edge.studies.dicom.headers import CT_CLASSES
from miniseg_edge.studies.dicom.values import is_uid
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.source_files import DiskFile

SUCCESS, DUPLICATE, NOT_AUTHORIZED = 0x0000, 0x0111, 0x0124
OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0xA700, 0xA900, 0xC000

_ANNOUNCED = ("NumberOfSeriesRelatedInstances", "ImagesInAcquisition")
_READ = tuple(dict.fromkeys((*KEYWORDS, *rules_of.KEYWORDS, *_ANNOUNCED)))
_MAX_CHECKED_BYTES = 64 * MIB
"""Pixels of larger objects are only checked when they are segmented: here they would have to be read into memory."""

_logger = logger_of(__name__)


@dataclass(frozen=True)
class Answer:
    """The response to a C-STORE: the status, and a comment for the scanner's log, at most 64 characters."""

    status: int
    comment: str = ""


class Reception:
    """Accepts objects. Thread-safety: `take` may be called from many threads at once."""

    def __init__(self, spool: Spool, desk: Desk, rules: Rules, limits: NodeLimits) -> None:
        self._spool, self._desk, self._rules, self._limits = spool, desk, rules, limits

    def take(self, received: Path, sop_class: str, sop_instance: str, still_comes: Callable[[], float]) -> Answer:
        """The response to an object in a file of the spool; once it is acknowledged, a power cut does not lose it."""
        try:
            return self._taken(received, sop_class, sop_instance, still_comes)
        except (OutputError, OSError) as error:
            _logger.error("an image was not taken: %s", _said(error))
            return Answer(OUT_OF_RESOURCES, "the spool cannot be written")
        except InputError as error:
            return Answer(CANNOT_UNDERSTAND, error.code)
        except Exception as error:
            limit = limit_behind(error)
            _logger.error("an image was not taken: %s", type(error).__name__ if limit is None else limit.code)
            if limit is not None:
                return Answer(OUT_OF_RESOURCES, limit.code)
            return Answer(CANNOT_UNDERSTAND, "unforeseen")

    def _taken(self, received: Path, sop_class: str, sop_instance: str, still_comes: Callable[[], float]) -> Answer:
        if sop_class not in CT_CLASSES:
            return Answer(SUCCESS if self._rules.other_classes == IGNORE else NOT_AUTHORIZED)
        if (full := self._fullness(received.stat().st_size)) is not None:
            return full
        header = header_from_file(DiskFile(received), _READ)
        with distrusted("an image"):
            if (wrong := _mismatch(header, sop_class, sop_instance)) is not None:
                return wrong
            answer = self._rules.answer(header.dataset)
            series = uid_of(header.dataset, "SeriesInstanceUID")
            announced = _announced(header)
        if answer in (IGNORE, REFUSE):
            return Answer(SUCCESS) if answer == IGNORE else Answer(NOT_AUTHORIZED, "no rule takes this image")
        _check_pixels(header, received)
        _sync(received)
        return self._stored(received, key_of(series), key_of(sop_instance), announced, still_comes)

    def _fullness(self, size: int) -> Answer | None:
        limits = self._limits
        if self._spool.bytes + size > limits.spool_mb * MIB:
            return Answer(OUT_OF_RESOURCES, "the spool is full")
        if self._spool.free_bytes() < limits.free_mb * MIB:
            return Answer(OUT_OF_RESOURCES, "the disk is full")
        if resident_bytes() > limits.memory_mb * MIB:
            return Answer(OUT_OF_RESOURCES, "no memory")
        return None

    def _stored(
        self, received: Path, series: str, image: str, announced: int | None, still_comes: Callable[[], float]
    ) -> Answer:
        with self._spool.lock_of(series):
            case = self._desk.case(series)
            if case is None:
                return Answer(OUT_OF_RESOURCES, "too many series at once")
            if image in case.images:
                if not filecmp.cmp(case.folder.image(image), received, shallow=False):
                    return Answer(DUPLICATE, "another object has this SOPInstanceUID")
                self._desk.arrived(case, None, announced, still_comes)
                return Answer(SUCCESS)
            if len(case.images) >= self._limits.images:
                return Answer(OUT_OF_RESOURCES, "too many images in a series")
            size = received.stat().st_size
            case.folder.add(image, received)
            self._spool.counted(size)
            self._desk.arrived(case, image, announced, still_comes)
        return Answer(SUCCESS)


def _mismatch(header: Header, sop_class: str, sop_instance: str) -> Answer | None:
    dataset = header.dataset
    for keyword, wanted in (("SOPClassUID", sop_class), ("SOPInstanceUID", sop_instance)):
        if uid_of(dataset, keyword) != wanted:
            return Answer(MISMATCH, f"another {keyword} than in the request")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if not is_uid(uid_of(dataset, keyword)):
            return Answer(CANNOT_UNDERSTAND, f"no valid {keyword}")
    return None if header.has_pixels else Answer(MISMATCH, "no pixel data")


def _announced(header: Header) -> int | None:
    for keyword in _ANNOUNCED:
        text = str(said(header.dataset, keyword) or "")
        if text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0:
            return int(text)
    return None


def _check_pixels(header: Header, received: Path) -> None:
    """Refuses truncated pixels while the scanner can still resend them. Raises: InputError."""
    with distrusted("an image"):
        layout = pixel_layout(header)
        if received.stat().st_size <= _MAX_CHECKED_BYTES:
            open_file(header.file, layout)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _said(error: Exception) -> str:
    return (
        error.code if isinstance(error, MiniSegError) else str(getattr(error, "strerror", "") or type(error).__name__)
    )
