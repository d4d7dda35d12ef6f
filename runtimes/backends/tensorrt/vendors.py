"""TensorRT and TensorRT for RTX: one API, and their differences, one row each."""

from dataclasses import dataclass
from typing import Any

from miniseg_edge.host.dependencies import installed, require


@dataclass(frozen=True)
class Vendor:
    """A row.

    Attributes:
        name: in the engine's record.
        title: the vendor's spelling.
        target: its name for `miniseg-export --target`.
        extra: what installs it.
        modules: possible names of its Python module; the first that is installed is used.
        builds_ahead: whether engines are built for compute capabilities, without a GPU, and compiled on the machine
            that opens them; otherwise they are built on the GPU that will run them.
        moves_between_systems: whether an engine works on both Linux and Windows.
        tunes: whether the builder times kernels, so that timing cache, workspace and hardware compatibility apply.
        caches_kernels: whether kernels compiled at first use can be kept in a runtime cache.
        compute_capabilities: times 10, for which it builds ahead of time; it has no kernels for those in between, and
            supports those after the last.
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
        """Whether it has kernels for a compute capability such as "8.6"; always true for a vendor that lists none."""
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
    modules=("tensorrt_rtx", "tensorrt_rtx_bindings"),  # the package, and the wheels that it consists of
    builds_ahead=True, moves_between_systems=True, tunes=False, caches_kernels=True,
    compute_capabilities=(75, 80, 86, 89, 120, 121),  # Turing, Ampere, Ada, Blackwell
)  # fmt: skip
VENDORS = (TENSORRT, TENSORRT_RTX)


def vendor_of(target: str) -> Vendor | None:
    """The row of a target, or None for targets that are not engines."""
    return next((vendor for vendor in VENDORS if vendor.target == target), None)
