"""The machine's name tag: absolute times mean nothing without it."""

import platform

import psutil

from miniseg_edge.benchmarks.report import Machine
from miniseg_edge.dependencies import versions
from miniseg_edge.errors import MiniSegError
from miniseg_edge.host import processor, usable_cores
from miniseg_edge.runtimes.cuda.machine import Gpu, gpus


def gpus_here() -> tuple[Gpu, ...]:
    """NVIDIA GPUs that can be used here; none where `cuda-python`, the driver or the GPU is missing."""
    try:
        return gpus()
    except MiniSegError:
        return ()


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
        versions={"python": platform.python_version(), **driver, **versions()},
    )
