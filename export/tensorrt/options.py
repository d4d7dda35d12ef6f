"""Options for building engines. Importable without torch and without any vendor."""

from dataclasses import dataclass

from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT_RTX

COMPUTE_CAPABILITIES = TENSORRT_RTX.compute_capabilities
"""For which engines can be built ahead of time."""


@dataclass(frozen=True)
class EngineOptions:
    """The user's options for engines.

    Attributes:
        compute_capabilities: of `COMPUTE_CAPABILITIES`, for targets that are built ahead of time; empty for the
            vendor's default: one engine for Ampere and later. Each one makes the engine larger.
        workspace_mib: memory that kernels may use while they run, in MiB; None for all of the GPU's.
        tf32: lets FP32 convolutions round their inputs to 10 bits of mantissa: faster, but without parity to FP32's
            limits.
        version_compatible: the engine also opens with later releases of the same major version; it is larger, lacks
            some kernels, and contains its own runtime, which is executed as native code.
        hardware_compatible: the engine runs on all GPUs from Ampere on, not only on this one; slower.
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
"""The command-line names of the fields."""

BY_DEFAULT = EngineOptions()
"""Defaults."""
