"""The machine's name tag: absolute times mean nothing without it."""

import platform

import psutil

from miniseg_edge.benchmarks.report import Machine
from miniseg_edge.dependencies import versions
from miniseg_edge.host import processor, usable_cores

_PACKAGES = ("miniseg-edge", "torch", "onnx", "onnxruntime", "openvino", "nncf", "numpy", "opencv-python")


def this_machine() -> Machine:
    """Processor, cores that this process may use, memory in GB (1e9), system, versions; no host name."""
    cores = usable_cores()
    memory_gb = psutil.virtual_memory().total / 1e9
    return Machine(
        name=f"{processor()}, {cores} cores, {memory_gb:.0f} GB",
        processor=processor(),
        cores=cores,
        memory_gb=memory_gb,
        system=f"{platform.system()} {platform.release()}",
        versions={"python": platform.python_version(), **versions(_PACKAGES)},
    )
