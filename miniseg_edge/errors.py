"""Every error that MiniSeg Edge raises on purpose, each with a stable code.

MiniSegError
├── MissingDependencyError   MISSING_DEPENDENCY   a package or system library is not installed
│   └── OutdatedDependencyError OUTDATED_DEPENDENCY a package is so old that it has holes that matter here
├── UsageError               USAGE                arguments that contradict each other or lack something
├── InputError               INPUT                a slice handed to the API has a wrong type, shape or range
│   ├── NoImagesError        NO_IMAGES            nothing to segment
│   ├── UnsupportedFormatError UNSUPPORTED_FORMAT not an image that we read, or a broken one
│   │   └── TransferSyntaxError TRANSFER_SYNTAX   compressed in a way that nothing installed here decodes
│   ├── WrongModalityError   WRONG_MODALITY       not CT
│   ├── RescaleError         RESCALE              stored values cannot be converted to HU
│   ├── HuValuesError        NOT_HU               values that are not HU: windowed, shifted, scaled, labels, constant
│   ├── AmbiguousStudyError  SEVERAL_SERIES       several series or phases, and none was chosen
│   │   └── SeveralPatientsError SEVERAL_PATIENTS several patients in one place
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
├── BundleError              BUNDLE               a bundle whose manifest makes no sense
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
├── RequestError             REQUEST              a request to the service that makes no sense
│   ├── UnknownModelError    UNKNOWN_MODEL        for another model or version than the one that is served
│   ├── TooLargeError        TOO_LARGE            more bytes than a request may have
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
        if self.because:
            return f"{self.problem}: {self.because}"
        return f"{self.problem}, got {self.got}" if self.got else self.problem

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
    """A package is so old that it has holes that matter here."""

    code = "OUTDATED_DEPENDENCY"


class UsageError(MiniSegError):
    """Arguments that contradict each other or lack something."""

    code = "USAGE"


class InputError(MiniSegError):
    """A slice handed to the API has a wrong type, shape or range."""

    code = "INPUT"


class NoImagesError(InputError):
    """There is nothing to segment."""

    code = "NO_IMAGES"


class UnsupportedFormatError(InputError):
    """Not an image that we read, or a broken one."""

    code = "UNSUPPORTED_FORMAT"


class TransferSyntaxError(UnsupportedFormatError):
    """Compressed in a way that nothing installed here decodes."""

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

    `series` is what there is to choose from: `SeriesSummary` records, or nothing where it is a phase.
    """

    code = "SEVERAL_SERIES"
    series: tuple[Any, ...] = ()


class SeveralPatientsError(AmbiguousStudyError):
    """Several patients in one place; nothing chooses among them."""

    code = "SEVERAL_PATIENTS"


class DicomSegError(InputError):
    """No DICOM SEG can be made of these images; other formats can."""

    code = "DICOM_SEG"


class LateSlicesError(InputError):
    """Slices of a series that was answered and deleted came alone: no complete result can be made of them."""

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
    """Weights that are not their network's."""

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
    """A less exact precision was asked for, and is no faster here than the exact one."""

    code = "NO_GAIN"


class UnsafeModelError(ExportError):
    """A model file that is more than bounded arithmetic: external data, control flow, sizes that nobody can tell."""

    code = "UNSAFE_MODEL"


class BundleError(MiniSegError):
    """A bundle whose manifest makes no sense."""

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
    """This bundle or this machine cannot serve the runtime or device asked for."""

    code = "RUNTIME_UNAVAILABLE"


class InferenceError(MiniSegError):
    """The vendor's engine failed.

    `partial` is what was done before it did, if that was part of a volume: a `VolumeSegmentation` of the slices so far.
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
    """The GPU failed; this process cannot use it again."""

    code = "DEVICE_LOST"


class ClosedError(MiniSegError):
    """The Segmenter was closed."""

    code = "CLOSED"


class ForkedError(MiniSegError):
    """Opened in another process, and inherited through a fork."""

    code = "FORKED"


class JobError(MiniSegError):
    """A slice that was handed over has no mask."""

    code = "JOB"


class BusyError(JobError):
    """As many jobs as may wait are waiting."""

    code = "BUSY"


class CancelledError(JobError, concurrent.futures.CancelledError):
    """The job was cancelled; the standard library's error of that name too."""

    code = "CANCELLED"


class DeadlineError(JobError):
    """A job, or the opening or running of an engine, was not done in time."""

    code = "DEADLINE"


class WorkerDiedError(MiniSegError):
    """Workers of an archive died of a series, as often as it is tried; or the workers keep dying."""

    code = "WORKER_DIED"


class RequestError(MiniSegError):
    """A request to the service that makes no sense."""

    code = "REQUEST"


class UnknownModelError(RequestError):
    """For another model or version than the one that is served."""

    code = "UNKNOWN_MODEL"


class TooLargeError(RequestError):
    """More bytes than a request may have."""

    code = "TOO_LARGE"


class UnauthorizedError(RequestError):
    """Without the service's token."""

    code = "UNAUTHORIZED"


class ForbiddenError(RequestError):
    """From a web page, or for another host."""

    code = "FORBIDDEN"


class SendError(MiniSegError):
    """An archive did not take a result; it may take it later."""

    code = "SEND"


class SendRefusedError(SendError):
    """An archive refuses a result; trying again would not help."""

    code = "SEND_REFUSED"


class NotCommittedError(SendError):
    """An archive took a result and does not confirm that it keeps it."""

    code = "NOT_COMMITTED"


class HostLimitError(MiniSegError):
    """The host gives no more of something. `partial` as in an InferenceError."""

    code = "HOST_LIMIT"
    partial: Any = None


class HostMemoryError(HostLimitError, MemoryError):
    """The machine's memory is exhausted; Python's error of that kind too."""

    code = "MEMORY"


class HostThreadsError(HostLimitError, RuntimeError):
    """The host allows no more threads; Python's error of that kind too."""

    code = "THREADS"


class OutputError(MiniSegError):
    """Results could not be written; nothing half-written was left."""

    code = "OUTPUT"


class OutputExistsError(OutputError):
    """Would overwrite something, and was not told to."""

    code = "OUTPUT_EXISTS"


class ParityError(MiniSegError):
    """An artefact does not draw the reference's mask."""

    code = "PARITY"
