from miniseg_edge.export.quantization.scheme import CPUS, TENSOR_CORES
from miniseg_edge.export.targets import able_to, target_named


def test_each_target_in_int8_has_the_integers_of_its_processors() -> None:
    schemes = {target: target_named(target).int8 for target in able_to("int8")}
    assert schemes == {"onnx": CPUS, "openvino": CPUS, "trt": TENSOR_CORES}


def test_plans_of_two_schemes_lie_beside_each_other() -> None:
    assert CPUS.plan != TENSOR_CORES.plan
