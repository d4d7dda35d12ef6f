from dataclasses import replace

from miniseg_edge.benchmarks.tables import slow_int8
from tests.benchmarks.html.reports import ratios_of, report_of, result_of


def test_int8_that_is_no_faster_than_fp32_is_said_not_to_pay() -> None:
    ours = (
        result_of("openvino fp32", "openvino", "fp32", 14.2),
        result_of("openvino int8", "openvino", "int8", 15.0, 0.99),
    )
    report = replace(report_of(ours, ()), ratios=ratios_of(ours))
    (said,) = slow_int8(report)
    assert said.startswith("openvino int8 does not pay here: 0.9")
    assert "openvino fp32" in said


def test_int8_that_is_faster_or_has_nothing_beside_it_is_not_spoken_of() -> None:
    fp32, int8 = (
        result_of("openvino fp32", "openvino", "fp32", 14.2),
        result_of("openvino int8", "openvino", "int8", 8.0, 0.99),
    )
    assert slow_int8(replace(report_of((fp32, int8), ()), ratios=ratios_of((fp32, int8)))) == []
    assert slow_int8(replace(report_of((int8,), ()), ratios=ratios_of((int8,)))) == []
