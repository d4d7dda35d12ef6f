import subprocess
import sys

import pytest

from miniseg_edge.errors import DeviceLostError, DeviceMemoryError, InferenceError, RuntimeUnavailableError
from miniseg_edge.runtimes.backends.cuda import calls
from miniseg_edge.runtimes.backends.cuda.calls import checked, cuda_runtime, error_of
from miniseg_edge.runtimes.backends.cuda.gpus import gpus
from tests.conftest import has_gpu

pytest.importorskip("cuda.bindings.runtime")


@pytest.mark.skipif(has_gpu(), reason="what happens where there is no GPU")
def test_without_a_driver_the_error_says_so_and_how_to_mend_it() -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"cudaError(InsufficientDriver|NoDevice) \(.*Install or update"):
        gpus()


@pytest.mark.skipif(has_gpu(), reason="what happens where there is no GPU")
@pytest.mark.parametrize(
    ("call", "arguments"), [("cudaMalloc", (64,)), ("cudaStreamCreateWithFlags", (1,)), ("cudaSetDevice", (0,))]
)
def test_every_return_code_is_looked_at(call: str, arguments: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeUnavailableError):
        checked(getattr(cuda_runtime(), call), *arguments)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("cudaErrorMemoryAllocation", DeviceMemoryError),
        ("cudaErrorIllegalAddress", DeviceLostError),
        ("cudaErrorECCUncorrectable", DeviceLostError),
        ("cudaErrorContained", DeviceLostError),
        ("cudaErrorMpsClientTerminated", DeviceLostError),
        ("cudaErrorMpsRpcFailure", DeviceLostError),
        ("cudaErrorDevicesUnavailable", RuntimeUnavailableError),
        ("cudaErrorMpsServerNotReady", RuntimeUnavailableError),
        ("cudaErrorNoDevice", RuntimeUnavailableError),
        ("cudaErrorInvalidValue", InferenceError),
    ],
)
def test_each_failure_has_its_error(status: str, kind: type[Exception]) -> None:
    found = error_of("cudaMalloc", status, "as CUDA explains it")
    assert type(found) is kind
    assert f"{status} (as CUDA explains it)" in str(found)


def test_the_names_that_we_know_are_cudas() -> None:
    known = {status.name for status in cuda_runtime().cudaError_t}
    assert known >= calls._NO_DRIVER | calls._NO_MEMORY | calls._LOST | calls._BUSY


def test_a_missing_cuda_python_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['cuda.bindings'] = None\n"
        "from miniseg_edge.errors import MissingDependencyError\n"
        "from miniseg_edge.runtimes.backends.cuda.gpus import gpus\n"
        "try: gpus()\n"
        "except MissingDependencyError as error: print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("MISSING_DEPENDENCY: cuda.bindings.runtime cannot be imported")
    assert 'pip install "miniseg-edge[tensorrt-rtx]"' in shown
