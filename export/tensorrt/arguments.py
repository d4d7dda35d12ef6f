"""`miniseg-export`'s options for engines."""

import argparse

from miniseg_edge.export.tensorrt.options import COMPUTE_CAPABILITIES, EngineOptions


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Adds them as an option group."""
    group = parser.add_argument_group("engines (--target trt, --target trt-rtx)")
    group.add_argument(
        "--compute-capability",
        type=int,
        nargs="+",
        choices=COMPUTE_CAPABILITIES,
        default=(),
        help="trt-rtx: GPUs to build for, each makes the engine larger; default: Ampere and later",
    )
    group.add_argument("--workspace", type=int, metavar="MIB", help="trt: memory for kernels; default: the GPU's")
    group.add_argument(
        "--tf32", action="store_true", help="fp32 may round to TF32: faster, outside fp32's parity limits"
    )
    group.add_argument(
        "--version-compatible",
        action="store_true",
        help="trt: opens with later releases of this major version; larger, slower, carries native code",
    )
    group.add_argument(
        "--hardware-compatible", action="store_true", help="trt: runs on every GPU from Ampere on; slower"
    )
    group.add_argument(
        "--device",
        default="",
        metavar="cuda:N",
        help="trt and --rebuild: the GPU to build on and for; default: the first",
    )


def engine_options(parsed: argparse.Namespace) -> EngineOptions:
    """What was said."""
    return EngineOptions(
        compute_capabilities=tuple(parsed.compute_capability),
        workspace_mib=parsed.workspace,
        tf32=parsed.tf32,
        version_compatible=parsed.version_compatible,
        hardware_compatible=parsed.hardware_compatible,
        device=parsed.device,
    )
