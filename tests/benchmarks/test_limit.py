import pytest

from miniseg_edge.benchmarks.limit import RUNTIMES, measured_gflops
from miniseg_edge.errors import InferenceError


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_densest_convolutions_reach_some_rate(runtime: str) -> None:
    assert measured_gflops(runtime, "fp32", 1, 0.05) > 0


def test_what_cannot_be_measured_is_a_typed_error() -> None:
    with pytest.raises(InferenceError, match="limit of openvino fp64"):
        measured_gflops("openvino", "fp64", 1, 0.05)
