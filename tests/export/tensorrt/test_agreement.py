import json

import pytest

from miniseg_edge.errors import ExportError
from miniseg_edge.export.tensorrt.agreement import check_engine, check_quantized, engine_precisions


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


def apart(*types: str, form: str = "Row major linear FP16 format (kLINEAR)") -> str:
    """The same as TensorRT for RTX 1.7.1 and TensorRT 11 say it: the type apart from the format."""
    layers = [
        {"Name": f"layer{i}", "Outputs": [{"Name": "x", "Datatype": kind, "Format": form, "Strides": [1]}]}
        for i, kind in enumerate(types)
    ]
    return json.dumps({"Layers": layers, "I/O Tensors": []})


def test_types_that_stand_apart_from_formats_are_understood() -> None:
    assert engine_precisions(apart("Half", "Float", "Int8", "BFloat16", "Int64", "Bool")) == {
        "fp16": 1, "fp32": 1, "int8": 1, "bf16": 1,
    }  # fmt: skip


def test_the_type_counts_where_the_format_is_not_available() -> None:
    assert engine_precisions(apart("Half", form="Format not available due to dynamic shapes")) == {"fp16": 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"Layers": ["layer0", "layer1"]}', '{"Layers": []}', "{}",
        inspected("N/A due to dynamic shapes", "Not available due to dynamic shapes", "Half"),
    ],
)  # fmt: skip
def test_an_inspector_that_leaves_types_open_says_nothing(text: str) -> None:
    assert engine_precisions(text) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '"Layers"', '{"Layers": "many"}', "Layer(Myelin): {ForeignNode[x]}"])
def test_an_answer_that_cannot_be_read_is_a_typed_error(text: str) -> None:
    for read in (engine_precisions, lambda said: check_quantized(said, ("a",))):
        with pytest.raises(ExportError, match="cannot be read"):
            read(text)


def test_a_quantized_convolution_is_found_where_types_stand_apart() -> None:
    read = {"Inputs": [{"Datatype": "Int8", "Format": "Thirty-two wide channel vectorized row major INT8 format"}]}
    check_quantized(json.dumps({"Layers": [{"Name": "up4/Conv", **read}]}), ("up4/Conv",))


def test_no_silent_fp32() -> None:
    check_engine({"fp16": 70, "fp32": 4}, "fp16")
    with pytest.raises(ExportError, match="most layers in fp16, got fp16 4 of 74, fp32 70 of 74"):
        check_engine({"fp16": 4, "fp32": 70}, "fp16")


def test_no_silent_fp16_either() -> None:
    with pytest.raises(ExportError, match="most layers in fp32"):
        check_engine({"fp16": 70, "fp32": 4}, "fp32")


def test_int8_stands_amid_fp16() -> None:
    check_engine({"int8": 20, "fp16": 40, "fp32": 10}, "int8")
    with pytest.raises(ExportError, match="most layers in int8"):
        check_engine({"int8": 20, "fp32": 40}, "int8")


def layer(name: str, reads: str, metadata: str = "", *, gives: str = "Half") -> dict[str, object]:
    ends = {"Inputs": [{"Format/Datatype": reads}], "Outputs": [{"Format/Datatype": gives}]}
    return {"Name": name, "Metadata": metadata, **ends}


VECTORS = "Thirty-two wide channel vectorized row major Int8 format"


def test_a_quantized_convolution_is_found_under_each_name_that_a_layer_has() -> None:
    layers = [
        layer("level2.0.fuse/Conv + level2.0.fuse/PRelu || level2.1.fuse/Conv", VECTORS),
        layer("__myl_Conv_myl0_7", "Int8", "[ONNX Layer: level3.0.fuse/Conv]\x1f[ONNX Layer: level3.0.fuse/Add]"),
        layer("up4/Conv", "Half"),
    ]
    names = ("level2.0.fuse/Conv", "level2.1.fuse/Conv", "level3.0.fuse/Conv")
    check_quantized(json.dumps({"Layers": layers}), names)
    with pytest.raises(ExportError, match=r"all 4 in layers that read int8, got 1 in others: up4/Conv.*fewer groups"):
        check_quantized(json.dumps({"Layers": layers}), (*names, "up4/Conv"))


def test_no_silent_fp16_behind_a_dequantizer() -> None:
    """The failure that INT8 is checked for: integers are read, made FP16, and convolved in FP16."""
    layers = [
        layer("level2.0.fuse/QuantizeLinear", "Half", gives="Int8"),
        layer("level2.0.fuse/DequantizeLinear", "Int8"),
        layer("level2.0.fuse/Conv", "Half", gives="Int8"),
        layer("level2.0.fuse/Conv_1 + level2.0.fuse/Conv/1", "Int8"),
        "end",
    ]
    with pytest.raises(ExportError, match="do not run in INT8"):
        check_quantized(json.dumps({"Layers": layers}), ("level2.0.fuse/Conv",))


def test_what_is_not_quantized_needs_no_layer() -> None:
    check_quantized(json.dumps({"Layers": ["layer0"]}), ())
