import json

import pytest

from miniseg_edge.errors import ExportError
from miniseg_edge.export.tensorrt.agreement import check_engine, engine_precisions


def inspected(*formats: str) -> str:
    """What the inspector says in DETAILED verbosity, shortened to what counts."""
    layers = [{"Name": f"layer{i}", "Outputs": [{"Name": "x", "Format/Datatype": f}]} for i, f in enumerate(formats)]
    return json.dumps({"Layers": [*layers, {"Name": "end", "Outputs": []}], "Bindings": ["slice", "logit"]})


def test_the_inspectors_words_for_a_type_are_understood() -> None:
    text = inspected(
        "Row major linear FP32", "Channel major FP16 format where channel % 8 == 0", "Half", "Float", "BFloat16",
        "Thirty-two wide channel vectorized row major Int8 format", "Int64",
    )  # fmt: skip
    assert engine_precisions(text) == {"fp32": 2, "fp16": 2, "bf16": 1, "int8": 1}


@pytest.mark.parametrize("text", ['{"Layers": ["layer0", "layer1"]}', '{"Layers": []}', "{}"])
def test_an_inspector_that_says_no_types_is_an_error(text: str) -> None:
    with pytest.raises(ExportError, match="names no precision"):
        engine_precisions(text)


def test_no_silent_fp32() -> None:
    check_engine({"fp16": 70, "fp32": 4}, "fp16")
    with pytest.raises(ExportError, match="most layers in fp16, got fp16 4 of 74, fp32 70 of 74"):
        check_engine({"fp16": 4, "fp32": 70}, "fp16")


def test_no_silent_fp16_either() -> None:
    with pytest.raises(ExportError, match="most layers in fp32"):
        check_engine({"fp16": 70, "fp32": 4}, "fp32")
