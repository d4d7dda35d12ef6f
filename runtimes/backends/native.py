"""libminiseg, the library of this package: any CPU, no vendor."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from miniseg_edge import __version__
from miniseg_edge.admission.admission import MAX_WORK
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact, Manifest
from miniseg_edge.errors import (
    CancelledError,
    ForkedError,
    HostMemoryError,
    HostThreadsError,
    IncompatibleError,
    InferenceError,
    InputError,
    RuntimeUnavailableError,
    UnsafeModelError,
)
from miniseg_edge.host.processor import usable_cores
from miniseg_edge.native.binding import MAX_SIDE, Context, Description, Model, library
from miniseg_edge.native.chain import Chain
from miniseg_edge.native.chosen import chosen_instruction_set
from miniseg_edge.native.plan_file import VERSION
from miniseg_edge.native.profile import profiled
from miniseg_edge.native.structures import Code, NativeError
from miniseg_edge.runtimes.backends.capabilities import DenseChain, OperatorTime
from miniseg_edge.runtimes.backends.giving_up import interruptible
from miniseg_edge.runtimes.backends.interface import Runtime
from miniseg_edge.runtimes.backends.pool import Pool
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray
from miniseg_edge.tensors import HU

PLAN_VERSION = "plan_version"
"""The artefact's kind in its manifest entry's `compiled`."""

MOST_THREADS = 16
"""Default threads per slice: the coarsest maps of a slice of 512 x 512 have only 32 rows to share."""

MAX_MEMORY = 8 * 2**30
"""Bytes of one context; the published network takes 1.5 GB for a slice of 4096 x 4096."""


class Native(Runtime):
    """A plan that libminiseg runs. Each concurrent slice has its own context, with threads and memory.

    There are as many contexts as streams; further calls wait for one. An abandoned call ends between two layers.
    """

    name = "native"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """`cpu`.

        Raises: RuntimeUnavailableError if the library is missing or belongs to another version of this package.
        """
        try:
            library()
        except (OSError, NativeError) as error:
            raise RuntimeUnavailableError(
                "libminiseg cannot be loaded",
                expected="the library of the installed package",
                because=str(error),
                remedy="Install the package again. From a checkout, g++ 12, clang++ 12 or ziglang is needed.",
            ) from error
        return ("cpu",)

    @classmethod
    def mismatch(cls, artifact: Artifact, device: str) -> str | None:
        """A plan of another version than this installation reads."""
        found = None if artifact.compiled is None else artifact.compiled.details.get(PLAN_VERSION)
        return None if found == VERSION else f"the plan has version {found!r}, and this installation reads {VERSION}"

    @classmethod
    def streams_for_many(cls, threads: int) -> int:
        """One stream per two threads: on one slice they share its planes in cache; two slices would compete for it."""
        return max(1, threads // 2)

    @classmethod
    def operator_times(cls, bundle: Bundle, artifact: Artifact, values: FloatArray) -> list[OperatorTime]:
        """From the library's own profile, with as many threads as a slice gets; each with its share of the total.

        The time of threads between layers, mostly waiting for each other, is the last row.
        """
        threads = _threads(None, 1)
        with _our_errors(), Model(bundle.contents[artifact.files[0]], chosen_instruction_set()) as model:
            found = profiled(model, values[0], threads)
        return [OperatorTime(one.name, one.kind, one.nanoseconds / threads / 1e6) for one in found.layers]

    dense_precisions = ("fp32",)

    @classmethod
    def dense(cls, chain: DenseChain, precision: str, threads: int | None) -> Callable[[FloatArray], object] | None:
        """See `Runtime.dense`; uses the kernel that networks run on."""
        if precision not in cls.dense_precisions:
            return None
        with _our_errors():
            held = chosen_instruction_set()
            compiled = Chain(chain.weights(), (chain.side, chain.side), chain.layers, _threads(threads, 1), held)
        return lambda values: (compiled.run(values[0])[np.newaxis],)

    @property
    def version(self) -> str:
        """The package's version, and the instruction set that the library uses here."""
        return f"{__version__} {self._description.instruction_set.name.lower()}"

    def close(self) -> None:
        """Releases each context as soon as its call is done; may be called twice."""
        super().close()
        self._contexts.close()

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        with _our_errors():
            model = Model(files[0], chosen_instruction_set())
        self._description = model.description
        _check_network(self._description, bundle.manifest)
        threads = _threads(self.threads, self.streams)
        size = bundle.manifest.preprocessing.size
        self._check_size(size)
        self._contexts = Pool(lambda: _ContextOfSize(model, threads), model.close, self.streams)
        with self._contexts.borrowed() as context:
            context.of(size)  # allocates memory and threads before the first slice

    def _infer(self, values: FloatArray) -> FloatArray | ByteArray:
        count, _, height, width = values.shape
        self._check_size((height, width))
        found = np.empty((count, self.output.shape[1], height, width), self.output.dtype)
        with self._contexts.borrowed() as borrowed:
            whole = _ran(borrowed.of((height, width)), values, found)
        if not whole:  # raised after the context is returned: it is still usable
            raise CancelledError("the call was abandoned", expected="a waiting caller", got="none")
        return found

    def _check_size(self, size: tuple[int, int]) -> None:
        """Refuses slices whose cost is out of bounds, counting each weight at each pixel."""
        height, width = size
        if max(size) > MAX_SIDE:
            wanted = f"at most {MAX_SIDE} x {MAX_SIDE} pixels"
            raise InputError(
                "the slice is too large for the native runtime", expected=wanted, got=f"{height} x {width}"
            )
        if (work := self._description.parameters * height * width) > MAX_WORK:
            raise UnsafeModelError(
                "the network is too large for slices of this size",
                expected=f"at most {MAX_WORK} multiplications",
                got=f"{work}",
            )


class _ContextOfSize:
    """A context that is recreated for a slice that does not fit into it."""

    def __init__(self, model: Model, threads: int) -> None:
        self._model, self._threads = model, threads
        self._size = (0, 0)
        self._context: Context | None = None

    def of(self, size: tuple[int, int]) -> Context:
        """The context, for slices of (height, width). Raises: HostLimitError."""
        if self._context is None or size[0] > self._size[0] or size[1] > self._size[1]:
            self.release()
            with _our_errors():
                self._context, self._size = self._model.context(size, self._threads, MAX_MEMORY), size
        return self._context

    def release(self) -> None:
        """Releases threads and memory."""
        if self._context is not None:
            self._context.close()
            self._context = None


def _threads(wanted: int | None, streams: int) -> int:
    """Threads of each concurrent slice."""
    return max(1, min((wanted or usable_cores()) // streams, MOST_THREADS))


def _ran(context: Context, values: FloatArray, found: FloatArray | ByteArray) -> bool:
    """Runs slices; returns whether they were completed rather than abandoned."""
    try:
        with interruptible(context.cancel), _our_errors():
            context.volume(values, found)
    except CancelledError:
        return False
    return True


def _check_network(found: Description, manifest: Manifest) -> None:
    """Refuses a plan that would read slices differently than the manifest says. Raises: IncompatibleError."""
    interface, network = manifest.interface, manifest.network
    wanted = (interface.channels, network.classes, interface.values == HU)
    got = (found.channels, found.classes, found.hu)
    if got != wanted:
        raise IncompatibleError(
            "the plan's network is not the one in the manifest", expected=_shown(*wanted), got=_shown(*got),
            remedy="Export it again with miniseg-export.",
        )  # fmt: skip


def _shown(channels: int, classes: int, hu: bool) -> str:
    return f"{channels} channels of {'HU' if hu else 'grey values'}, {classes} classes"


@contextmanager
def _our_errors() -> Iterator[None]:
    """Inside, the library's errors become ours."""
    try:
        yield
    except NativeError as error:
        raise _error_of(error) from error


def _error_of(error: NativeError) -> Exception:
    said = error.message
    known: dict[Code, Exception] = {
        Code.MEMORY: HostMemoryError(
            "memory is exhausted", because=said, remedy="Take smaller slices or fewer streams."
        ),
        Code.THREADS: HostThreadsError(
            "the host allows no more threads",
            because=said,
            remedy="Ask for fewer (threads=1).",
        ),
        Code.FORKED: ForkedError(
            "the native runtime was opened in another process",
            because=said,
            remedy="Load the bundle in this process.",
        ),
        Code.CANCELLED: CancelledError("the run was cancelled", because=said),
        Code.VERSION: IncompatibleError(
            "libminiseg cannot open the plan",
            expected="a plan of a supported version",
            because=said,
            remedy="Export again.",
        ),
        Code.PLAN: InferenceError("libminiseg cannot open the plan", expected="a whole plan", because=said),
    }
    return known.get(error.code, InferenceError("libminiseg failed", because=said))
