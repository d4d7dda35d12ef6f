"""The machine's description, without which absolute times are meaningless."""

import os
import platform
from contextlib import suppress

import psutil

from miniseg_edge.benchmarks.peers.extra import DISTRIBUTIONS
from miniseg_edge.benchmarks.report import Machine
from miniseg_edge.errors import MiniSegError
from miniseg_edge.host.dependencies import versions
from miniseg_edge.host.processor import processor, usable_cores
from miniseg_edge.native.chosen import chosen_instruction_set
from miniseg_edge.native.structures import NativeError
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu, gpus

ONEDNN_LIMIT = "ONEDNN_MAX_CPU_ISA"
"""Restricts OpenVINO's kernels to older instructions; read by oneDNN."""


def gpus_here() -> tuple[Gpu, ...]:
    """Usable NVIDIA GPUs; none if `cuda-python`, the driver or the GPU is missing."""
    try:
        return gpus()
    except MiniSegError:
        return ()


def _held_to() -> dict[str, str]:
    """The instruction set of libminiseg, and the one that OpenVINO is restricted to, if any."""
    found = {}
    with suppress(OSError, NativeError):
        found["libminiseg"] = chosen_instruction_set().name.lower()
    if (limit := os.environ.get(ONEDNN_LIMIT)) is not None:
        found[ONEDNN_LIMIT] = limit
    return found


def busy_share() -> float:
    """Share of the machine's processors in use during the next second, 0..1; of all programs, while this one waits."""
    return psutil.cpu_percent(interval=1.0) / 100


def this_machine() -> Machine:
    """Processor, cores that this process may use, memory in GB (1e9), GPUs, system, versions; no host name."""
    cores, found = usable_cores(), gpus_here()
    memory_gb = psutil.virtual_memory().total / 1e9
    parts = (processor(), f"{cores} cores", f"{memory_gb:.0f} GB", *(gpu.name for gpu in found))
    driver = {"CUDA driver": found[0].driver} if found else {}
    return Machine(
        name=", ".join(parts),
        processor=processor(),
        cores=cores,
        memory_gb=memory_gb,
        system=f"{platform.system()} {platform.release()}",
        versions={"python": platform.python_version(), **driver, **versions(), **versions(DISTRIBUTIONS), **_held_to()},
    )
