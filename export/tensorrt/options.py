"""How engines are to be built. Importable without torch and without any vendor."""

from dataclasses import dataclass

from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT_RTX

COMPUTE_CAPABILITIES = TENSORRT_RTX.compute_capabilities
"""That engines can be built for ahead of time."""


@dataclass(frozen=True)
class EngineOptions:
    """What a user may say about engines.

    Attributes:
        compute_capabilities: of `COMPUTE_CAPABILITIES`, for targets that are built ahead of time; none is the vendor's
            own choice: one engine for Ampere and later. Each one named makes the engine larger.
        workspace_mib: memory that kernels may use while they run, in MiB; None for all that the GPU has.
        tf32: lets FP32 convolutions round their inputs to 10 bits of mantissa: faster, and no parity to FP32's limits.
        version_compatible: the engine also opens with later releases of the same major version; it is larger, some
            kernels are left out, and it carries a runtime of its own, which is run as native code.
        hardware_compatible: the engine runs on all GPUs from Ampere on, not on this one alone; slower.
        device: the GPU to build on and for, such as `cuda:1`; "" is the first.
    """

    compute_capabilities: tuple[int, ...] = ()
    workspace_mib: int | None = None
    tf32: bool = False
    version_compatible: bool = False
    hardware_compatible: bool = False
    device: str = ""


NAMES_OF_OPTIONS = {
    "compute_capabilities": "--compute-capability",
    "workspace_mib": "--workspace",
    "tf32": "--tf32",
    "version_compatible": "--version-compatible",
    "hardware_compatible": "--hardware-compatible",
    "device": "--device",
}
"""The command's names of the fields."""

BY_DEFAULT = EngineOptions()
"""What an engine gets if nothing is said."""
