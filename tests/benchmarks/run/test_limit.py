import pytest

from miniseg_edge.benchmarks.run.limit import dense_precisions, measured_gflops
from miniseg_edge.errors import InferenceError
from miniseg_edge.runtimes.backends.registry import registry

KINDS = [(entry.name, precision) for entry in registry() for precision in dense_precisions(entry.name)]


def test_the_runtimes_for_cpus_tell_the_limit() -> None:
    assert KINDS == [("native", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"), ("onnxruntime", "fp32")]


@pytest.mark.parametrize(("runtime", "precision"), KINDS)
def test_the_densest_convolutions_reach_some_rate(runtime: str, precision: str) -> None:
    assert measured_gflops(runtime, precision, 1, 0.05) > 0


@pytest.mark.parametrize(("runtime", "precision"), [("openvino", "fp64"), ("native", "bf16"), ("torch", "fp32")])
def test_what_cannot_be_measured_is_a_typed_error(runtime: str, precision: str) -> None:
    with pytest.raises(InferenceError, match=f"limit of {runtime} {precision}"):
        measured_gflops(runtime, precision, 1, 0.05)
