"""Admission of a bundle's model files: before a vendor's parser sees them, and before each new input shape."""

from collections.abc import Mapping

from miniseg_edge.admission.admission import Admission, check_operators
from miniseg_edge.admission.call import Operator
from miniseg_edge.admission.graph import Graph, Port, Shape
from miniseg_edge.admission.ir_graph import graph_from_ir
from miniseg_edge.admission.ir_operators import IR_OPERATORS
from miniseg_edge.admission.onnx_graph import graph_from_onnx
from miniseg_edge.admission.onnx_operators import ONNX_OPERATORS
from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.errors import UnsafeModelError
from miniseg_edge.tensors import ANY, TensorSpec


def admission_of(bundle: Bundle, artifact: Artifact) -> Admission:
    """Admits an artefact's model for slices of the bundle's size.

    Raises:
        IncompatibleError: unknown model.
        UnsafeModelError: an operator is not admitted or not recorded in the manifest, a size cannot be inferred or is
            too large, or the inputs and outputs differ from the manifest.
    """
    manifest = bundle.manifest
    graph, rules = _read({name: bundle.contents[name] for name in artifact.files})
    for port, spec in ((graph.input, manifest.input), (graph.output, manifest.output)):
        _check_port(port, spec)
    admission = Admission(graph, rules, frozenset(artifact.operators))
    admission.admit(_with_sides(manifest.input.shape, manifest.preprocessing.size))
    return admission


def admit_onnx(data: bytes, shape: Shape) -> None:
    """Admits an ONNX from which an engine is built, for an input shape. Raises: as `admission_of`."""
    Admission(graph_from_onnx(data), ONNX_OPERATORS).admit(shape)


def operators_of(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The operators of an artefact's model, for its manifest; empty without a model. Raises: as `admission_of`."""
    if not any(name.endswith((".onnx", ".xml")) for name in files):
        return ()
    graph, rules = _read(files)
    check_operators(graph.operators, rules)
    return graph.operators


def _read(files: Mapping[str, bytes]) -> tuple[Graph, Mapping[str, Operator]]:
    """The model among an artefact's files, which may include an engine and a timing cache."""
    for name, data in files.items():
        if name.endswith(".onnx"):
            return graph_from_onnx(data), ONNX_OPERATORS
    xml, weights = (next((files[name] for name in files if name.endswith(end)), b"") for end in (".xml", ".bin"))
    return graph_from_ir(xml, weights), IR_OPERATORS


def _check_port(port: Port, spec: TensorSpec) -> None:
    if spec.name not in port.name.split(",") or port.shape != spec.shape:
        raise UnsafeModelError(
            "the model's inputs or outputs differ from its manifest", expected=f"{spec.name} {spec.shape}",
            got=f"{port.name[:80]!r} {str(port.shape)[:80]}", remedy="Export it again with miniseg-export.",
        )  # fmt: skip


def _with_sides(shape: Shape, size: tuple[int, int]) -> Shape:
    """The input's shape for one slice of this size, with free sides filled in."""
    return tuple(side if side != ANY else one for side, one in zip(shape, (1, shape[1], *size), strict=True))
