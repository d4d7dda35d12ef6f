"""Deployment graph -> ONNX: one file, standard operators only."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import onnx
import torch
from onnxscript.optimizer import fold_constants, remove_unused_nodes
from torch import nn

from miniseg_edge.bundle.onnx_file import check_self_contained
from miniseg_edge.errors import ExportError, UnsafeModelError
from miniseg_edge.export.graph.node_names import named_after_blocks
from miniseg_edge.tensors import ANY, TensorSpec

OPSET = 20
_AXES = {0: "batch", 2: "height", 3: "width"}
_STANDARD_DOMAINS = {"", "ai.onnx"}


@dataclass(frozen=True)
class OnnxModel:
    """A checked ONNX file and its node count."""

    data: bytes
    nodes: int


def onnx_from_graph(
    graph: nn.Module,
    input_: TensorSpec,
    output: TensorSpec,
    metadata: Mapping[str, str] = MappingProxyType({}),
    size: tuple[int, int] = (64, 64),
) -> OnnxModel:
    """Exports a module with one float32 input and one output; nodes are named after their blocks.

    Args:
        graph: in eval mode.
        input_, output: names and shapes; free dimensions become `batch`, `height` and `width`.
        metadata: for the file.
        size: (height, width) of a slice to export free sizes with.

    Raises:
        ExportError: torch cannot export it, or the result fails ONNX's full check or has other shapes.
        UnsafeModelError: external data or custom operators.
    """
    example = torch.zeros([n if n != ANY else free for n, free in zip(input_.shape, (2, 1, *size), strict=True)])
    free = {axis: torch.export.Dim(_AXES[axis]) for axis, side in enumerate(input_.shape) if side == ANY}
    exporter_log = logging.getLogger("torch.onnx")
    level = exporter_log.level
    exporter_log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's remarks about its internals
            program = torch.onnx.export(
                graph, (example,), None, input_names=[input_.name], output_names=[output.name],
                dynamic_shapes=(free,) if free else None, opset_version=OPSET, dynamo=True,
                external_data=False, optimize=False, verbose=False,
            )  # fmt: skip
            if program is not None:
                _optimize(program)
    except Exception as error:  # the exporter raises many exception types; all mean the same
        raise ExportError("torch cannot export the graph to ONNX", because=_reason(error)) from error
    finally:
        exporter_log.setLevel(level)
    if program is None:
        raise ExportError("torch exported no model", expected="an ONNX model", got="none")
    model = program.model_proto
    model.producer_name = "miniseg-edge"
    named_after_blocks(model)
    _strip_remarks(model)
    _name_free_sides(model)
    onnx.helper.set_model_props(model, dict(metadata))
    check_onnx(model, input_, output)
    return OnnxModel(model.SerializeToString(), len(model.graph.node))


def _optimize(program: torch.onnx.ONNXProgram) -> None:
    """The effect of `optimize=True`, byte for byte, in half the time.

    The optimizer tries each of its patterns on each node, and two thirds of the nodes are constants that fold.
    """
    fold_constants(program.model)
    remove_unused_nodes(program.model)
    program.optimize()


def _reason(error: BaseException) -> str:
    """The exporter's error message, without its advice to its own developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:300] or type(error).__name__


def _name_free_sides(model: onnx.ModelProto) -> None:
    """The output's free sides are the input's; the exporter writes them as expressions."""
    for value in (*model.graph.input, *model.graph.output):
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if not dimension.HasField("dim_value"):
                dimension.dim_param = _AXES.get(axis, dimension.dim_param)


def _strip_remarks(model: onnx.ModelProto) -> None:
    """Removes the exporter's stack traces: they contain local paths and are four times as large as the weights."""
    graph = model.graph
    for item in (
        model,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    ):
        del item.metadata_props[:]
        item.ClearField("doc_string")


def check_onnx(model: onnx.ModelProto, input_: TensorSpec, output: TensorSpec) -> None:
    """Refuses models that must not be shipped. Raises: ExportError, UnsafeModelError."""
    external = [t.name for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    if external:
        raise UnsafeModelError("the ONNX refers to external data", expected="one file", got=", ".join(external[:8]))
    check_self_contained(model.SerializeToString())  # also outside the weights, as at run time
    domains = {o.domain for o in model.opset_import} | {n.domain for n in model.graph.node}
    custom = sorted({f"{n.domain}.{n.op_type}" for n in model.graph.node if n.domain not in _STANDARD_DOMAINS})
    if custom or model.functions or not domains <= _STANDARD_DOMAINS:
        found = custom or sorted(domains - _STANDARD_DOMAINS) or [f.name for f in model.functions]
        raise UnsafeModelError("the ONNX has custom operators", expected="standard ones", got=", ".join(found[:8]))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError("the ONNX fails onnx.checker", because=str(error)[:300]) from error
    for spec, values in ((input_, model.graph.input), (output, model.graph.output)):
        declared = [(value.name, _shape(value), _dtype(value)) for value in values]
        if declared != [(spec.name, spec.shape, spec.dtype)]:
            raise ExportError(
                "the inputs or outputs of the ONNX are wrong", expected=f"{spec.name} {spec}", got=str(declared)
            )


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    dimensions = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else ANY for d in dimensions)


def _dtype(value: onnx.ValueInfoProto) -> str:
    return str(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
