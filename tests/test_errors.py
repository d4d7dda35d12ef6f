import copy
import inspect
import pickle
import re

import pytest

from miniseg_edge import errors
from miniseg_edge.errors import InputError, MiniSegError

# The codes are part of the interface: a change here breaks the programs that read them.
CODES = {
    "MiniSegError": "ERROR",
    "MissingDependencyError": "MISSING_DEPENDENCY",
    "OutdatedDependencyError": "OUTDATED_DEPENDENCY",
    "UsageError": "USAGE",
    "InputError": "INPUT",
    "NoImagesError": "NO_IMAGES",
    "UnsupportedFormatError": "UNSUPPORTED_FORMAT",
    "TransferSyntaxError": "TRANSFER_SYNTAX",
    "WrongModalityError": "WRONG_MODALITY",
    "RescaleError": "RESCALE",
    "HuValuesError": "NOT_HU",
    "AmbiguousStudyError": "SEVERAL_SERIES",
    "SeveralPatientsError": "SEVERAL_PATIENTS",
    "StorageError": "STORAGE",
    "DicomSegError": "DICOM_SEG",
    "LateSlicesError": "LATE_SLICES",
    "GeometryError": "GEOMETRY",
    "NoGeometryError": "NO_GEOMETRY",
    "NotAxialError": "NOT_AXIAL",
    "GeometryGapError": "GEOMETRY_GAP",
    "CheckpointError": "CHECKPOINT",
    "UnsafeCheckpointError": "UNSAFE_CHECKPOINT",
    "StatisticsError": "STATISTICS",
    "ExportError": "EXPORT",
    "NoGainError": "NO_GAIN",
    "UnsafeModelError": "UNSAFE_MODEL",
    "BundleError": "BUNDLE",
    "IntegrityError": "INTEGRITY",
    "SignatureError": "SIGNATURE",
    "PathEscapeError": "PATH_ESCAPE",
    "IncompatibleError": "INCOMPATIBLE",
    "RuntimeUnavailableError": "RUNTIME_UNAVAILABLE",
    "InferenceError": "INFERENCE",
    "NumericError": "NUMERIC",
    "DeviceMemoryError": "DEVICE_MEMORY",
    "DeviceLostError": "DEVICE_LOST",
    "ClosedError": "CLOSED",
    "ForkedError": "FORKED",
    "JobError": "JOB",
    "BusyError": "BUSY",
    "CancelledError": "CANCELLED",
    "DeadlineError": "DEADLINE",
    "WorkerDiedError": "WORKER_DIED",
    "RequestError": "REQUEST",
    "UnknownModelError": "UNKNOWN_MODEL",
    "TooLargeError": "TOO_LARGE",
    "UnauthorizedError": "UNAUTHORIZED",
    "ForbiddenError": "FORBIDDEN",
    "SendError": "SEND",
    "SendRefusedError": "SEND_REFUSED",
    "NotCommittedError": "NOT_COMMITTED",
    "HostLimitError": "HOST_LIMIT",
    "HostMemoryError": "MEMORY",
    "HostThreadsError": "THREADS",
    "OutputError": "OUTPUT",
    "OutputExistsError": "OUTPUT_EXISTS",
    "ParityError": "PARITY",
}
KINDS = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, MiniSegError)]

every_kind = pytest.mark.parametrize("kind", KINDS)


def test_the_codes_are_these() -> None:
    assert {kind.__name__: kind.code for kind in KINDS} == CODES


def test_each_code_is_unique() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn, ancestors = {}, ["MiniSegError"]
    lines = re.findall(r"^([│ ]*[├└]── )(\w+) +([A-Z_]+) ", inspect.getdoc(errors) or "", re.MULTILINE)
    for indent, name, code in lines:
        depth = len(indent) // 4
        ancestors[depth:] = [name]
        drawn[name] = (ancestors[depth - 1], code)
    assert drawn == {
        kind.__name__: (kind.__base__.__name__, kind.code)
        for kind in KINDS
        if kind is not MiniSegError and kind.__base__
    }


@every_kind
def test_the_text_starts_with_the_code(kind: type[MiniSegError]) -> None:
    assert str(kind("it broke")) == f"{kind.code}: it broke"


def test_the_text_names_what_was_expected_what_came_and_the_remedy() -> None:
    error = InputError("a slice is odd", expected="an even one", got="three rows", remedy="Add a row.")
    assert str(error) == "INPUT: a slice is odd; expected an even one, got three rows. Add a row."


def test_a_detail_that_is_empty_is_left_out() -> None:
    assert str(InputError("a slice is odd", remedy="Add a row.")) == "INPUT: a slice is odd. Add a row."


def test_the_details_are_attributes() -> None:
    details = {"expected": "expected", "got": "got", "because": "because", "remedy": "remedy"}
    error = InputError("problem", **details)
    assert (error.problem, error.details) == ("problem", details)
    assert (error.expected, error.got, error.because, error.remedy) == ("expected", "got", "because", "remedy")


@every_kind
@pytest.mark.parametrize("names", [(), ("expected",), ("expected", "got", "because", "remedy")])
def test_errors_survive_pickling(kind: type[MiniSegError], names: tuple[str, ...]) -> None:
    error = kind("problem", **{name: f"what is {name}" for name in names})
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), vars(again)) == (str(error), vars(error))


@every_kind
def test_errors_survive_copying(kind: type[MiniSegError]) -> None:
    error = kind("problem", expected="expected", got="got", because="because", remedy="remedy")
    for again in (copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
