"""Every error that MiniSeg Edge raises on purpose, each with a stable code.

MiniSegError
├── MissingDependencyError   MISSING_DEPENDENCY   a package or system library is not installed
│   └── OutdatedDependencyError OUTDATED_DEPENDENCY a package is so old that it has holes that matter here
├── UsageError               USAGE                arguments contradict each other, or one is missing or invalid
├── InputError               INPUT                a slice handed to the API has a wrong type, shape or range
│   ├── NoImagesError        NO_IMAGES            nothing to segment
│   ├── UnsupportedFormatError UNSUPPORTED_FORMAT not an image that we read, or a broken one
│   │   └── TransferSyntaxError TRANSFER_SYNTAX   compressed in a way that nothing installed here decodes
│   ├── WrongModalityError   WRONG_MODALITY       not CT
│   ├── RescaleError         RESCALE              stored values cannot be converted to HU
│   ├── HuValuesError        NOT_HU               values that are not HU: windowed, shifted, scaled, labels, constant
│   ├── AmbiguousStudyError  SEVERAL_SERIES       several series or phases, and none was chosen
│   │   └── SeveralPatientsError SEVERAL_PATIENTS several patients in one place
│   ├── StorageError         STORAGE              a far storage does not answer, as often as it was tried
│   ├── DicomSegError        DICOM_SEG            images that no DICOM SEG can refer to
│   ├── LateSlicesError      LATE_SLICES          slices of a series that was answered, without the others
│   └── GeometryError        GEOMETRY             slices that do not make one volume
│       ├── NoGeometryError  NO_GEOMETRY          no position, orientation or spacing
│       ├── NotAxialError    NOT_AXIAL            coronal or sagittal slices
│       └── GeometryGapError GEOMETRY_GAP         a slice is missing, or slices are unevenly spaced
├── CheckpointError          CHECKPOINT           weights that are not their network's
│   ├── UnsafeCheckpointError UNSAFE_CHECKPOINT   a pickle with code in it, or no state dict at all
│   └── StatisticsError      STATISTICS           normalisation unknown or impossible
├── ExportError              EXPORT               a step of the export produced something that may not be shipped
│   ├── NoGainError          NO_GAIN              INT8 that is no faster here than FP32
│   └── UnsafeModelError     UNSAFE_MODEL         a model file that is more than bounded arithmetic
├── BundleError              BUNDLE               a bundle is missing, or its manifest is invalid
│   ├── IntegrityError       INTEGRITY            a hash is wrong, a file was added or is missing
│   ├── SignatureError       SIGNATURE            a signature is missing, broken, foreign, or of other files
│   ├── PathEscapeError      PATH_ESCAPE          a path or a link that leaves the bundle or archive
│   └── IncompatibleError    INCOMPATIBLE         made for another schema, runtime or machine
├── RuntimeUnavailableError  RUNTIME_UNAVAILABLE  this bundle or machine cannot serve the runtime or device asked for
├── InferenceError           INFERENCE            the vendor's engine failed
│   ├── NumericError         NUMERIC              the network's output is not finite; it was discarded
│   ├── DeviceMemoryError    DEVICE_MEMORY        the GPU's memory is exhausted; the next call may succeed
│   └── DeviceLostError      DEVICE_LOST          the GPU failed; this process cannot use it again
├── ClosedError              CLOSED               the Segmenter was closed
├── ForkedError              FORKED               opened in another process, and inherited through a fork
├── JobError                 JOB                  a slice that was handed over has no mask
│   ├── BusyError            BUSY                 as many jobs as may wait are waiting
│   ├── CancelledError       CANCELLED            the job was cancelled
│   └── DeadlineError        DEADLINE             a job, or an engine that starts, was not done in time
├── WorkerDiedError          WORKER_DIED          workers of an archive died of a series, as often as it is tried
├── RequestError             REQUEST              a request to the service is invalid
│   ├── UnknownModelError    UNKNOWN_MODEL        for another model or version than the one that is served
│   ├── TooLargeError        TOO_LARGE            more bytes than a request, or a series of an archive, may have
│   ├── UnauthorizedError    UNAUTHORIZED         without the service's token
│   └── ForbiddenError       FORBIDDEN            from a web page, or for another host
├── SendError                SEND                 an archive did not take a result, as often as it was tried
│   ├── SendRefusedError     SEND_REFUSED         an archive refuses a result; trying again would not help
│   └── NotCommittedError    NOT_COMMITTED        an archive took a result and does not confirm that it keeps it
├── HostLimitError           HOST_LIMIT           the host gives no more of something; the next call may succeed
│   ├── HostMemoryError      MEMORY               the machine's memory is exhausted
│   └── HostThreadsError     THREADS              the host allows no more threads
├── OutputError              OUTPUT               results could not be written
│   └── OutputExistsError    OUTPUT_EXISTS        would overwrite, and was not told to
└── ParityError              PARITY               an artefact does not draw the reference's mask

Codes are part of the interface: they do not change once released.
"""

import concurrent.futures
from typing import Any, ClassVar

from miniseg_edge.printable import printable


class MiniSegError(Exception):
    """Base class of all errors: what is wrong, why, what was expected, what came instead, and how to fix it.

    `str(error)` is one line: `CODE: problem: because; expected ..., got ... . Remedy.` Details that are empty are left
    out. `problem`, `because`, `expected` and `got` are phrases without a full stop; `remedy` is a sentence, or ends
    with a command to run. All are attributes, as printable text: file names and messages of libraries may be part of
    them.
    """

    code: ClassVar[str] = "ERROR"

    def __init__(self, problem: str, *, expected: str = "", got: str = "", because: str = "", remedy: str = "") -> None:
        # The details are attributes, not `args`: exceptions are pickled by their `args` and their `__dict__`.
        self.problem = printable(problem)
        self.expected = printable(expected)
        self.got = printable(got)
        self.because = printable(because)
        self.remedy = printable(remedy)
        super().__init__(self.problem)

    @property
    def details(self) -> dict[str, str]:
        """The keyword arguments that are not empty: `Other(e.problem, **e.details)` raises another type."""
        named = {"expected": self.expected, "got": self.got, "because": self.because, "remedy": self.remedy}
        return {name: text for name, text in named.items() if text}

    @property
    def summary(self) -> str:
        """The problem and its reason (`because`, otherwise `got`), without the code."""
        reason = self.because or self.got
        return f"{self.problem}: {reason}" if reason else self.problem

    def __str__(self) -> str:
        text = f"{self.code}: {self.problem}"
        if self.because:
            text += f": {self.because}"
        if self.expected or self.got:
            wanted = f"expected {self.expected}" if self.expected else ""
            came = f"got {self.got}" if self.got else ""
            text += "; " + ", ".join(filter(None, (wanted, came)))
        if self.remedy:
            text = f"{text.rstrip(' .')}. {self.remedy}"
        return text


class MissingDependencyError(MiniSegError):
    """A package or a system library is not installed."""

    code = "MISSING_DEPENDENCY"


class OutdatedDependencyError(MissingDependencyError):
    """A package is so old that it has known vulnerabilities."""

    code = "OUTDATED_DEPENDENCY"


class UsageError(MiniSegError):
    """Arguments contradict each other, or one is missing or invalid."""

    code = "USAGE"


class InputError(MiniSegError):
    """A slice handed to the API has a wrong type, shape or range."""

    code = "INPUT"


class NoImagesError(InputError):
    """There is nothing to segment."""

    code = "NO_IMAGES"


class UnsupportedFormatError(InputError):
    """Not a supported image, or a broken one."""

    code = "UNSUPPORTED_FORMAT"


class TransferSyntaxError(UnsupportedFormatError):
    """Compressed in a way that no installed decoder supports."""

    code = "TRANSFER_SYNTAX"


class WrongModalityError(InputError):
    """Not CT."""

    code = "WRONG_MODALITY"


class RescaleError(InputError):
    """Stored values cannot be converted to HU."""

    code = "RESCALE"


class HuValuesError(InputError):
    """Values that are not HU: windowed, shifted, scaled, a label map, constant."""

    code = "NOT_HU"


class AmbiguousStudyError(InputError):
    """Several series or phases, and none was chosen.

    `series` lists the choices as `SeriesSummary` records; it is empty if the choice is a phase.
    """

    code = "SEVERAL_SERIES"
    series: tuple[Any, ...] = ()


class SeveralPatientsError(AmbiguousStudyError):
    """Several patients in one place; there is no option to choose one."""

    code = "SEVERAL_PATIENTS"


class StorageError(InputError):
    """A far storage does not answer, as often as it was tried; the next run may find it answering."""

    code = "STORAGE"


class DicomSegError(InputError):
    """These images cannot be written as DICOM SEG; other formats are possible."""

    code = "DICOM_SEG"


class LateSlicesError(InputError):
    """Slices arrived for a series that was already answered and deleted, so no complete result is possible."""

    code = "LATE_SLICES"


class GeometryError(InputError):
    """Slices that do not make one volume."""

    code = "GEOMETRY"


class NoGeometryError(GeometryError):
    """No position, orientation or spacing."""

    code = "NO_GEOMETRY"


class NotAxialError(GeometryError):
    """Coronal or sagittal slices; the network was trained on axial ones."""

    code = "NOT_AXIAL"


class GeometryGapError(GeometryError):
    """A slice is missing, or slices are unevenly spaced."""

    code = "GEOMETRY_GAP"


class CheckpointError(MiniSegError):
    """Weights do not fit their network."""

    code = "CHECKPOINT"


class UnsafeCheckpointError(CheckpointError):
    """A pickle with code in it, or a file that contains no state dict."""

    code = "UNSAFE_CHECKPOINT"


class StatisticsError(CheckpointError):
    """Normalisation unknown or impossible."""

    code = "STATISTICS"


class ExportError(MiniSegError):
    """A step of the export produced something that may not be shipped."""

    code = "EXPORT"


class NoGainError(ExportError):
    """A less exact precision was requested, but it is no faster here than the exact one."""

    code = "NO_GAIN"


class UnsafeModelError(ExportError):
    """A model file is more than bounded arithmetic: external data, control flow, unknown sizes."""

    code = "UNSAFE_MODEL"


class BundleError(MiniSegError):
    """A bundle is missing, or its manifest is invalid."""

    code = "BUNDLE"


class IntegrityError(BundleError):
    """A hash is wrong, or a file was added or is missing."""

    code = "INTEGRITY"


class SignatureError(BundleError):
    """A signature is missing, broken, by another key, or of other files; or a key cannot be used."""

    code = "SIGNATURE"


class PathEscapeError(BundleError):
    """A path or a link that leaves the bundle or archive."""

    code = "PATH_ESCAPE"


class IncompatibleError(BundleError):
    """Made for another schema, runtime or machine."""

    code = "INCOMPATIBLE"


class RuntimeUnavailableError(MiniSegError):
    """This bundle or machine does not support the requested runtime or device."""

    code = "RUNTIME_UNAVAILABLE"


class InferenceError(MiniSegError):
    """The vendor's engine failed.

    `partial` is the result up to the failure, if it was part of a volume: a `VolumeSegmentation` of the slices so far.
    """

    code = "INFERENCE"
    partial: Any = None


class NumericError(InferenceError):
    """The network's output is not finite; it was discarded."""

    code = "NUMERIC"


class DeviceMemoryError(InferenceError):
    """The GPU's memory is exhausted; the next call may succeed."""

    code = "DEVICE_MEMORY"


class DeviceLostError(InferenceError):
    """The GPU failed. This process cannot use it again."""

    code = "DEVICE_LOST"


class ClosedError(MiniSegError):
    """The Segmenter was closed."""

    code = "CLOSED"


class ForkedError(MiniSegError):
    """Opened in another process, and inherited through a fork."""

    code = "FORKED"


class JobError(MiniSegError):
    """A submitted slice has no mask."""

    code = "JOB"


class BusyError(JobError):
    """The queue of jobs is full."""

    code = "BUSY"


class CancelledError(JobError, concurrent.futures.CancelledError):
    """The job was cancelled. Also the standard library's error of that name."""

    code = "CANCELLED"


class DeadlineError(JobError):
    """A job, or opening or running an engine, missed its deadline."""

    code = "DEADLINE"


class WorkerDiedError(MiniSegError):
    """A series repeatedly crashed its workers, or the workers keep dying."""

    code = "WORKER_DIED"


class RequestError(MiniSegError):
    """A request to the service is invalid."""

    code = "REQUEST"


class UnknownModelError(RequestError):
    """A request for a model or version that is not served."""

    code = "UNKNOWN_MODEL"


class TooLargeError(RequestError):
    """A request, or a series of an archive, exceeds a size limit."""

    code = "TOO_LARGE"


class UnauthorizedError(RequestError):
    """The service's token is missing or wrong."""

    code = "UNAUTHORIZED"


class ForbiddenError(RequestError):
    """A request from a web page, or for another host."""

    code = "FORBIDDEN"


class SendError(MiniSegError):
    """An archive did not accept a result, but may accept it later."""

    code = "SEND"


class SendRefusedError(SendError):
    """An archive rejected a result; retrying would not help."""

    code = "SEND_REFUSED"


class NotCommittedError(SendError):
    """An archive accepted a result but did not confirm that it stored it."""

    code = "NOT_COMMITTED"


class HostLimitError(MiniSegError):
    """A limit of the host was reached. `partial` as in an InferenceError."""

    code = "HOST_LIMIT"
    partial: Any = None


class HostMemoryError(HostLimitError, MemoryError):
    """The machine's memory is exhausted. Also Python's MemoryError."""

    code = "MEMORY"


class HostThreadsError(HostLimitError, RuntimeError):
    """The host allows no more threads. Also Python's RuntimeError."""

    code = "THREADS"


class OutputError(MiniSegError):
    """Results could not be written; nothing half-written was left."""

    code = "OUTPUT"


class OutputExistsError(OutputError):
    """Would overwrite something without permission to do so."""

    code = "OUTPUT_EXISTS"


class ParityError(MiniSegError):
    """An artefact does not reproduce the reference's mask."""

    code = "PARITY"
