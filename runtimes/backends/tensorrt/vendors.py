"""TensorRT and TensorRT for RTX: one API, and all that differs between them, a row each."""

from dataclasses import dataclass
from typing import Any

from miniseg_edge.host.dependencies import installed, require


@dataclass(frozen=True)
class Vendor:
    """A row.

    Attributes:
        name: in the engine's record.
        title: as its vendor writes it.
        target: what `miniseg-export --target` calls it.
        extra: what installs it.
        modules: Python modules that it may come as; the first that is installed is taken.
        builds_ahead: engines are built for compute capabilities, without a GPU, and compiled on the machine that opens
            them; otherwise they are built on the GPU that will run them.
        moves_between_systems: an engine serves Linux and Windows.
        tunes: the builder times kernels: timing cache, workspace and hardware compatibility mean something.
        caches_kernels: what it compiles at the first use can be kept in a runtime cache.
        compute_capabilities: times 10, that it builds for, where it builds ahead of time; it has no kernels for what
            lies between them, and serves what comes after the last.
    """

    name: str
    title: str
    target: str
    extra: str
    modules: tuple[str, ...]
    builds_ahead: bool
    moves_between_systems: bool
    tunes: bool
    caches_kernels: bool
    compute_capabilities: tuple[int, ...] = ()

    def serves(self, compute_capability: str) -> bool:
        """Whether it has kernels for GPUs of such a compute capability, as "8.6"; one that names none is not asked."""
        number = int(compute_capability.replace(".", ""))
        named = self.compute_capabilities
        return not named or number in named or number > named[-1]

    def module(self) -> Any:
        """The vendor's Python module. Raises: MissingDependencyError."""
        found = next((name for name in self.modules if installed(name)), self.modules[0])
        return require(found, self.extra)

    def version(self) -> str:
        """The vendor's full version. Raises: MissingDependencyError."""
        return str(self.module().__version__)


TENSORRT = Vendor(
    name="tensorrt", title="TensorRT", target="trt", extra="tensorrt", modules=("tensorrt",),
    builds_ahead=False, moves_between_systems=False, tunes=True, caches_kernels=False,
)  # fmt: skip
TENSORRT_RTX = Vendor(
    name="tensorrt_rtx", title="TensorRT for RTX", target="trt-rtx", extra="tensorrt-rtx",
    modules=("tensorrt_rtx", "tensorrt_rtx_bindings"),  # the package, and the wheels that it is made of
    builds_ahead=True, moves_between_systems=True, tunes=False, caches_kernels=True,
    compute_capabilities=(75, 80, 86, 89, 120, 121),  # Turing, Ampere, Ada, Blackwell
)  # fmt: skip
VENDORS = (TENSORRT, TENSORRT_RTX)


def vendor_of(target: str) -> Vendor | None:
    """The row of a target, or None for targets that are not engines."""
    return next((vendor for vendor in VENDORS if vendor.target == target), None)
