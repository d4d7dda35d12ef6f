from miniseg_edge.export.quantization.scheme import CPUS, TENSOR_CORES, scheme_of
from miniseg_edge.export.request import SUPPORTED


def test_each_target_in_int8_has_the_integers_of_its_processors() -> None:
    able = [target for target, precisions in SUPPORTED.items() if "int8" in precisions]
    assert {target: scheme_of(target) for target in able} == {"onnx": CPUS, "openvino": CPUS, "trt": TENSOR_CORES}


def test_plans_of_two_schemes_lie_beside_each_other() -> None:
    assert CPUS.plan != TENSOR_CORES.plan
