"""libminiseg through ctypes: models, contexts, runs. Needs only numpy; src/miniseg.h documents every function.

ctypes releases Python's global lock during a call.
"""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from miniseg_edge.native.structures import (
    PROGRESS,
    ChainOptions,
    Code,
    Described,
    Error,
    NativeError,
    Options,
    Output,
    ProfileOfLayers,
    Slice,
    Volume,
    options_of,
    output_of,
    size_of,
    slice_of,
)

ABI = 1

MAX_SIDE = 4096
"""Of a slice, in pixels."""

NAME = {"win32": "miniseg.dll", "darwin": "libminiseg.dylib"}.get(sys.platform, "libminiseg.so")
PATH = Path(__file__).with_name(NAME)


class InstructionSet(IntEnum):
    """`miniseg_set`."""

    BEST = 0
    PLAIN = 1
    AVX2 = 2
    AVX512 = 3
    NEON = 4


@dataclass(frozen=True)
class Description:
    """`miniseg_description`: what a plan is for, and the instruction set it runs on."""

    hu: bool
    mask: bool
    channels: int
    classes: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    long_depths: tuple[int, ...]
    instruction_set: InstructionSet
    parameters: int


@cache
def library(path: Path = PATH) -> ctypes.CDLL:
    """The loaded library. Raises: OSError if it is missing or for another machine; NativeError for another ABI."""
    found = ctypes.CDLL(str(path))
    pointers = POINTER(c_void_p)
    error = POINTER(Error)
    taken = (POINTER(Slice), POINTER(Output))
    floats = POINTER(c_float)
    found.miniseg_build.restype = c_char_p
    found.miniseg_build.argtypes = ()
    for name, arguments in {
        "miniseg_abi": (),
        "miniseg_has": (c_uint32,),
        "miniseg_open": (c_char_p, c_size_t, c_uint32, pointers, error),
        "miniseg_describe": (c_void_p, POINTER(Described), error),
        "miniseg_context_memory": (c_void_p, POINTER(Options), POINTER(c_uint64), error),
        "miniseg_context_open": (c_void_p, POINTER(Options), pointers, error),
        "miniseg_run": (c_void_p, *taken, error),
        "miniseg_run_volume": (c_void_p, *taken, POINTER(Volume), POINTER(c_uint32), error),
        "miniseg_profile_run": (c_void_p, POINTER(Options), *taken, POINTER(ProfileOfLayers), error),
        "miniseg_chain_open": (POINTER(ChainOptions), pointers, error),
        "miniseg_chain_run": (c_void_p, floats, floats, error),
        "miniseg_cancel": (c_void_p,),
    }.items():
        function = getattr(found, name)
        function.restype, function.argtypes = c_int32, arguments
    for name in ("miniseg_close", "miniseg_context_close", "miniseg_chain_close"):
        function = getattr(found, name)
        function.restype, function.argtypes = None, (c_void_p,)
    if found.miniseg_abi() != ABI:
        raise NativeError(Code.VERSION, f"this package needs ABI {ABI} of libminiseg, not {found.miniseg_abi()}")
    return found


def build_record() -> str:
    """Compiler, flags and instruction sets of the library. Raises: as `library`."""
    text: bytes = library().miniseg_build()
    return text.decode()


def instruction_sets() -> tuple[InstructionSet, ...]:
    """Instruction sets that both the library and this processor have. Raises: as `library`."""
    return tuple(s for s in InstructionSet if s != InstructionSet.BEST and library().miniseg_has(s))


class Model:
    """A loaded plan; immutable, and shared by any number of contexts and threads.

    Args:
        plan: the file's bytes, which are copied.
        instruction_set: what to run on.
        path: the library.

    Raises:
        NativeError: the library rejects the plan or the instruction set.
        OSError: the library is missing.
    """

    def __init__(self, plan: bytes, instruction_set: InstructionSet = InstructionSet.BEST, path: Path = PATH) -> None:
        self._library = library(path)
        self._handle = c_void_p()
        error = Error()
        code = self._library.miniseg_open(plan, len(plan), instruction_set, byref(self._handle), byref(error))
        error.check(code)
        self.description = self._described()

    @property
    def functions(self) -> ctypes.CDLL:
        """The one that read it."""
        return self._library

    @property
    def handle(self) -> c_void_p:
        """`miniseg_model *`; null once it is closed."""
        return self._handle

    def _described(self) -> Description:
        found, error = Described(struct_size=ctypes.sizeof(Described)), Error()
        error.check(self._library.miniseg_describe(self._handle, byref(found), byref(error)))
        return Description(
            bool(found.values), bool(found.result), found.channels, found.classes, tuple(found.widths),
            tuple(found.depths), tuple(found.long_depths), InstructionSet(found.instruction_set), found.parameters,
        )  # fmt: skip

    def memory(self, size: tuple[int, int], threads: int = 1) -> int:
        """Bytes that a context needs. Raises: NativeError, ARGUMENT."""
        options, bytes_, error = options_of(size, threads, 0), c_uint64(), Error()
        error.check(self._library.miniseg_context_memory(self._handle, byref(options), byref(bytes_), byref(error)))
        return bytes_.value

    def context(self, size: tuple[int, int], threads: int = 1, max_memory: int = 0) -> "Context":
        """For slices of up to `size` (height, width) pixels, in up to `max_memory` bytes (0: no bound).

        Raises: NativeError: MEMORY, THREADS, ARGUMENT.
        """
        handle, options, error = c_void_p(), options_of(size, threads, max_memory), Error()
        code = self._library.miniseg_context_open(self._handle, byref(options), byref(handle), byref(error))
        error.check(code)
        return Context(self._library, handle, self.description)

    def close(self) -> None:
        """Releases the model; contexts keep what they need. A second call does nothing."""
        handle, self._handle = self._handle, c_void_p()
        self._library.miniseg_close(handle)

    def __enter__(self) -> "Model":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()


class Context:
    """Threads and memory for one run at a time. Calls may come from any thread; a concurrent run is refused.

    `close` may be called during a run: it cancels the run and waits for it.
    """

    def __init__(self, library: ctypes.CDLL, handle: c_void_p, description: Description) -> None:
        self._library, self._handle, self.description = library, handle, description
        self._lock = threading.RLock()  # the garbage collector may run while it is held, and close what cancels a run
        self._callers = 0
        self._closing = False

    def logits(self, slice_: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """(H, W) or (channels, H, W) uint8, int16 or float32 -> (classes - 1, H, W) float32 over background.

        Raises: NativeError, as `miniseg_run`; CANCELLED too where the context is closed.
        """
        output = np.empty((self.description.classes - 1, *size_of(slice_)), np.float32)
        self.run(slice_, output)
        return output

    def mask(self, slice_: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
        """The same -> (H, W) uint8 classes, 255 where logits are not finite. Raises: as `logits`."""
        output = np.empty((1, *size_of(slice_)), np.uint8)
        self.run(slice_, output)
        found: npt.NDArray[np.uint8] = output[0]
        return found

    def run(self, slice_: npt.NDArray[np.generic], output: npt.NDArray[np.generic]) -> None:
        """The same, into an existing array: (classes - 1, H, W) float32 logits or a (1, H, W) uint8 mask.

        Its rows must be contiguous. After an error its values are undefined. Raises: as `logits`.
        """
        given = slice_of(slice_, self.description.channels)
        wanted, error = output_of(output, self.description.classes, size_of(slice_)), Error()
        with self._entered():
            code = self._library.miniseg_run(self._handle, byref(given), byref(wanted), byref(error))
        error.check(code)

    def volume(
        self,
        slices: npt.NDArray[np.generic],
        output: npt.NDArray[np.generic],
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        """Slices of one size, one after the other, in one call; the bits are those of `run`.

        Args:
            slices: (D, H, W) or (D, channels, H, W), in any strides; D may be 0.
            output: (D, classes - 1, H, W) float32 or (D, 1, H, W) uint8. After an error, results already reported to
                `progress` are complete, and the others undefined.
            progress: called in this thread after each slice with the number done and D. Returning true stops the run
                before the next slice. It may call `cancel` and `close`.

        Raises:
            NativeError: as `logits`; CANCELLED too where `progress` stopped the run.
            BaseException: what `progress` raised, which stops the run too.
        """
        given, wanted = self._volume(slices, output)
        raised: list[BaseException] = []

        def told(_: object, done: int, count: int) -> int:
            try:
                return int(bool(progress is not None and progress(done, count)))
            except BaseException as error:  # exceptions must not pass through the library
                raised.append(error)
                return 1

        callback = PROGRESS() if progress is None else PROGRESS(told)
        strides = slices.strides[0], output.strides[0]
        volume, error = Volume(ctypes.sizeof(Volume), len(slices), *strides, callback), Error()
        with self._entered():
            words = (byref(given), byref(wanted), byref(volume), None, byref(error))
            code = self._library.miniseg_run_volume(self._handle, *words)
        if raised:
            raise raised.pop()
        error.check(code)

    def _volume(self, slices: npt.NDArray[np.generic], output: npt.NDArray[np.generic]) -> tuple[Slice, Output]:
        """The first slice and its address. Raises: NativeError, ARGUMENT."""
        if slices.ndim not in (3, 4) or output.ndim != 4 or len(slices) != len(output):
            raise NativeError(Code.ARGUMENT, f"slices of shape {slices.shape} and results of shape {output.shape}")
        if len(slices) == 0:
            return Slice(), Output()
        given = slice_of(slices[0], self.description.channels)
        return given, output_of(output[0], self.description.classes, size_of(slices[0]))

    def cancel(self) -> bool:
        """Cancels the current run between two layers, from any thread; returns whether there was one."""
        with self._lock:
            return not self._closing and bool(self._library.miniseg_cancel(self._handle))

    def close(self) -> None:
        """Cancels the current run and releases everything when it has ended. A second call does nothing."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._library.miniseg_cancel(self._handle)
            last = self._callers == 0
        if last:
            self._free()

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """A call. The last call of a closed context frees it."""
        with self._lock:
            if self._closing:
                raise NativeError(Code.CANCELLED, "the context is closed")
            self._callers += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._callers -= 1
            last = self._closing and self._callers == 0
        if last:
            self._free()

    def _free(self) -> None:
        handle, self._handle = self._handle, c_void_p()
        self._library.miniseg_context_close(handle)

    def __enter__(self) -> "Context":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()
