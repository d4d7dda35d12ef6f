"""The machine's name tag: absolute times mean nothing without it."""

import platform

import psutil

from miniseg_edge.benchmarks.report import Machine
from miniseg_edge.dependencies import versions
from miniseg_edge.errors import MiniSegError
from miniseg_edge.host import processor, usable_cores
from miniseg_edge.runtimes.cuda.machine import Gpu, gpus

_PACKAGES = (
    "miniseg-edge",
    "torch",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "nncf",
    "numpy",
    "opencv-python",
)


def gpus_here() -> tuple[Gpu, ...]:
    """NVIDIA GPUs that can be used here; none where `cuda-python`, the driver or the GPU is missing."""
    try:
        return gpus()
    except MiniSegError:
        return ()


def this_machine() -> Machine:
    """Processor, cores that this process may use, memory in GB (1e9), GPUs, system, versions; no host name."""
    cores = usable_cores()
    memory_gb = psutil.virtual_memory().total / 1e9
    parts = (processor(), f"{cores} cores", f"{memory_gb:.0f} GB", *(gpu.name for gpu in gpus_here()))
    return Machine(
        name=", ".join(parts),
        processor=processor(),
        cores=cores,
        memory_gb=memory_gb,
        system=f"{platform.system()} {platform.release()}",
        versions={"python": platform.python_version(), **versions(_PACKAGES)},
    )
