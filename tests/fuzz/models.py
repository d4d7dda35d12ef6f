"""The targets `onnx` and `ir`: model files of an untrusted bundle, from their bytes to what they would take to run."""

import contextlib
from collections.abc import Mapping

from miniseg_edge.admission.admission import Admission
from miniseg_edge.admission.call import Operator
from miniseg_edge.admission.graph import Graph
from miniseg_edge.admission.ir_graph import graph_from_ir
from miniseg_edge.admission.ir_operators import IR_OPERATORS
from miniseg_edge.admission.onnx_graph import graph_from_onnx
from miniseg_edge.admission.onnx_operators import ONNX_OPERATORS
from miniseg_edge.errors import UnsafeModelError

BETWEEN = b"\0\0"
"""Stands between the .xml and the .bin of an IR; an .xml that is read has no zero byte."""

SHAPES = ((1, 1, 32, 32), (3, 1, 48, 17), (1, 3, 512, 512))


def onnx(data: bytes) -> None:
    """An ONNX file."""
    _admitted(graph_from_onnx(data), ONNX_OPERATORS)


def ir(data: bytes) -> None:
    """The two files of an IR."""
    xml, _, weights = data.partition(BETWEEN)
    _admitted(graph_from_ir(xml, weights), IR_OPERATORS)


def _admitted(graph: Graph, rules: Mapping[str, Operator]) -> None:
    """Admission for slices of several shapes, most of which a graph refuses."""
    admission = Admission(graph, rules)
    for shape in SHAPES:
        with contextlib.suppress(UnsafeModelError):
            admission.admit(shape)
