"""The fakes take what the real bindings take: names, numbers and order of arguments, looked up in the bindings."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorrt_rtx_bindings as real
from cuda.bindings import driver, runtime

from tests.bindings.look_up import _signatures
from tests.bindings.test_bindings import JETPACK_6, bindings_of
from tests.rehearsal import tensorrt
from tests.rehearsal.cuda import _RESULTS, FakeCuda

PLAYED = {
    "Builder": tensorrt.Builder, "OnnxParser": tensorrt.OnnxParser, "Runtime": tensorrt.Runtime,
    "ICudaEngine": tensorrt.Engine, "IExecutionContext": tensorrt.ExecutionContext,
    "EngineInspector": tensorrt.Inspector, "IBuilderConfig": tensorrt.Config, "ITimingCache": tensorrt.TimingCache,
}  # fmt: skip


def methods(kind: type) -> dict[str, Any]:
    return {name: one for name, one in vars(kind).items() if callable(one) and not name.startswith("_")}


@pytest.mark.parametrize("name", PLAYED)
def test_every_method_takes_what_the_vendors_takes(name: str) -> None:
    found = methods(PLAYED[name])
    assert found
    for method, one in found.items():
        taken = [p.name for p in inspect.signature(one).parameters.values() if p.name != "self"]
        actual = getattr(getattr(real, name), method)
        offered = [[text.split(":")[0].strip() for text in one] for one in _signatures(actual.__doc__, method)]
        assert any(taken == names[: len(taken)] for names in offered), f"{name}.{method}: {taken}, not {offered}"


def test_every_function_of_cuda_takes_and_gives_what_the_real_one_does() -> None:
    modules = FakeCuda().modules()
    for module, actual in (("cuda.bindings.runtime", runtime), ("cuda.bindings.driver", driver)):
        names = [
            name for name in vars(modules[module]) if re.match(r"cu(da)?[A-Z]\w+$", name) and hasattr(FakeCuda, name)
        ]
        assert len(names) > 4
        for name in names:
            doc = getattr(actual, name).__doc__
            (head,) = re.findall(rf"^{name}\((.*)\)$", doc, re.MULTILINE)[:1]
            wanted = [text.split(":")[0].split()[-1] for text in head.split(",")] if head else []
            taken = [p.name for p in inspect.signature(getattr(FakeCuda, name)).parameters.values()][1:]
            assert taken == wanted, name
            given = doc.partition("\nReturns\n-------\n")[2].partition("\nSee Also\n")[0]
            assert _RESULTS.get(name, 0) == len(re.findall(r"^\w+ ?: ", given, re.MULTILINE)), name


def test_the_numbers_of_errors_are_the_runtimes_and_the_drivers() -> None:
    """So that one table serves both; `cudaError_t` gives no number another meaning."""
    ours = {int(status): status.name for status in runtime.cudaError_t}
    same = {0: "Success", 2: "MemoryAllocation", 3: "InitializationError", 46: "DevicesUnavailable", 100: "NoDevice"}
    same |= {201: "DeviceUninitialized", 304: "OperatingSystem", 700: "IllegalAddress", 805: "MpsConnectionFailed"}
    known = {int(status) for status in driver.CUresult}
    assert {
        number: f"cuda{'' if number == 0 else 'Error'}{name}" for number, name in same.items()
    }.items() <= ours.items()
    assert same.keys() <= known


@pytest.mark.slow
@pytest.mark.parametrize("version", [JETPACK_6, "10.16.1.11", "11.4.0.106"])
def test_a_library_that_cannot_start_is_a_type_error_of_the_bindings(version: str) -> None:
    """With empty libraries in the place of the real ones: they give nothing, as those do without a GPU."""
    code = (
        f"import sys; sys.path.insert(0, {str(bindings_of(version))!r})\n"
        "import tensorrt_bindings as trt\n"
        "class Log(trt.ILogger):\n"
        "    def __init__(self): trt.ILogger.__init__(self)\n"
        "    def log(self, severity, msg): pass\n"
        "for kind in (trt.Builder, trt.Runtime):\n"
        "    try: kind(Log())\n"
        "    except TypeError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [tensorrt.NULLPTR] * 2


def test_what_the_library_says_is_in_its_bytes() -> None:
    libraries = pytest.importorskip("tensorrt_rtx_libs")
    data = (Path(libraries.__file__).parent / "libtensorrt_rtx.so.1").read_bytes()
    for text in (
        tensorrt.NO_HOST_CODE, "Format not available due to dynamic shapes", "Datatype",
        "Row major linear FP16 format (kLINEAR)", "CUDA initialization failure with error: ",
    ):  # fmt: skip
        assert text.encode() in data
    assert b"Format/Datatype" not in data
