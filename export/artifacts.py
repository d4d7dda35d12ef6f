"""One target's artefact: the deployment graph in a form, through ONNX, to the vendor's files."""

from dataclasses import dataclass

from torch import nn

from miniseg_edge.engine_record import EngineRecord
from miniseg_edge.export.arithmetic import multiplications
from miniseg_edge.export.deployment_graph import DeploymentGraph
from miniseg_edge.export.forms import AS_TRAINED, BLOCKED, DIRECT, PACKED, PACKED_ROWS, Form
from miniseg_edge.export.onnx_from_graph import OnnxModel, onnx_from_graph
from miniseg_edge.export.openvino_from_onnx import openvino_from_onnx
from miniseg_edge.export.rewrites.as_trained import AsTrained
from miniseg_edge.export.rewrites.graph import rewritten
from miniseg_edge.export.tensorrt.engine_files import engine_files
from miniseg_edge.export.tensorrt.half import half_from_onnx
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.export.tensorrt.uint8 import uint8_at_the_end
from miniseg_edge.manifest import Manifest
from miniseg_edge.runtimes.tensorrt.vendors import Vendor, vendor_of
from miniseg_edge.tensors import HU
from miniseg_edge.training.network import MiniSeg

# The fastest of `FORMS` on the CPUs measured so far; `--tune` asks the machine itself.
_DEFAULT_FORMS = {
    ("onnx", "fp32"): BLOCKED,
    ("onnx", "int8"): PACKED,
    ("openvino", "fp32"): PACKED,
    ("openvino", "bf16"): PACKED_ROWS,
    ("openvino", "int8"): PACKED,
}


def default_form(target: str, precision: str) -> Form:
    """The form that a target gets without `--tune`.

    Engines fuse operators themselves, so theirs has the fewest; INT8 has one for all CPUs, so that it is one network.
    """
    return _DEFAULT_FORMS.get((target, precision), DIRECT)


def form_of(graph: DeploymentGraph, target: str, precision: str) -> Form:
    """The form that a graph gets without `--tune`: the rewrites know MiniSeg's structure alone."""
    return default_form(target, precision) if isinstance(graph.network, MiniSeg) else AS_TRAINED


@dataclass(frozen=True)
class BuiltArtifact:
    """Files by their path in the bundle, how many operators and multiplications a slice takes, an engine's record."""

    files: dict[str, bytes]
    nodes: int
    macs: int
    engine: EngineRecord | None = None


def artifact_files(
    graph: DeploymentGraph,
    manifest: Manifest,
    what: tuple[str, str],
    form: Form,
    *,
    engine_options: EngineOptions = BY_DEFAULT,
    tell: Tell = lambda said: None,
) -> BuiltArtifact:
    """Builds an artefact in any precision but INT8.

    Args:
        graph, manifest: of which network, and how it is fed.
        what: target and precision.
        form: how the graph is written.
        engine_options: for targets that are engines.
        tell: told how far a step is that takes long.

    Raises:
        ExportError and its kin: a step failed its check.
        MissingDependencyError: the vendor's package is not installed.
    """
    onnx, macs = onnx_of(graph, manifest, form)
    if (vendor := vendor_of(what[0])) is None:
        return files_from_onnx(onnx, manifest, what, macs)
    return engine_from_graph(vendor, (onnx, macs), manifest, what, engine_options=engine_options, tell=tell)


def engine_from_graph(
    vendor: Vendor,
    graph: tuple[OnnxModel, int],
    manifest: Manifest,
    what: tuple[str, str],
    *,
    quantized: tuple[str, ...] = (),
    engine_options: EngineOptions,
    tell: Tell,
) -> BuiltArtifact:
    """Builds an engine.

    Args:
        vendor: whose.
        graph: ONNX in FP32, with quantizers for INT8, and its multiplications for one slice.
        manifest: how it is fed.
        what: target and precision.
        quantized: names of the convolutions that are to run in INT8.
        engine_options, tell: see `artifact_files`.

    Raises:
        ExportError and its kin, MissingDependencyError, RuntimeUnavailableError: see `engine_files`.
    """
    onnx, macs = graph
    typed = typed_for_engine(onnx, manifest, what[1])
    built = engine_files(
        vendor,
        typed.data,
        manifest,
        (_folder(what), what[1]),
        quantized=quantized,
        options=engine_options,
        tell=tell,
    )
    return BuiltArtifact(built.files, typed.nodes, macs, built.record)


def typed_for_engine(onnx: OnnxModel, manifest: Manifest, precision: str) -> OnnxModel:
    """An ONNX in FP32, with quantizers for INT8, in the types that an engine is to have.

    What INT8 does not quantize is FP16: an FP32 rest would be slower than FP16 alone.

    Raises:
        ExportError: see `half_from_onnx`, `uint8_at_the_end`.
    """
    exact = uint8_at_the_end(onnx, manifest.input, manifest.output)
    return exact if precision == "fp32" else half_from_onnx(exact, manifest.input, manifest.output)


def onnx_of(graph: DeploymentGraph, manifest: Manifest, form: Form) -> tuple[OnnxModel, int]:
    """The graph as ONNX in FP32, and its multiplications for one slice. Raises: ExportError and its kin."""
    size = manifest.preprocessing.size
    module = _written(graph, form, size)
    onnx = onnx_from_graph(module, manifest.input, manifest.output, about(manifest, form), size)
    return onnx, multiplications(module, manifest.interface.channels, size)


def _written(graph: DeploymentGraph, form: Form, size: tuple[int, int]) -> nn.Module:
    if not isinstance(graph.network, MiniSeg):
        return AsTrained(graph).eval()
    return rewritten(graph.network, graph.feeding, form, size)


def files_from_onnx(onnx: OnnxModel, manifest: Manifest, what: tuple[str, str], macs: int) -> BuiltArtifact:
    """The files of a target that is no engine, in a precision, from the ONNX that it is made of.

    Raises:
        ExportError: the vendor cannot read it.
        MissingDependencyError: the vendor's package is not installed.
    """
    folder = _folder(what)
    if what[0] == "onnx":
        return BuiltArtifact({f"{folder}/model.onnx": onnx.data}, onnx.nodes, macs)
    model = openvino_from_onnx(onnx, manifest.input, manifest.output)
    files = {f"{folder}/model.xml": model.xml, f"{folder}/model.bin": model.weights}
    return BuiltArtifact(files, model.nodes, macs)


def _folder(what: tuple[str, str]) -> str:
    return what[0] if what[1] == "fp32" else "-".join(what)


def about(manifest: Manifest, form: Form) -> dict[str, str]:
    """What a model file says of itself; `origin` leads to its bundle, whose digest it cannot hold, being part of it."""
    statistics, window = manifest.preprocessing.statistics, manifest.preprocessing.window
    found = {
        "origin": manifest.origin,
        "checkpoint_sha256": manifest.checkpoint.sha256,
        "network": manifest.network.name,
        "form": form.name,
        "normalisation": f"inside: mean {statistics.mean!r}, std {statistics.std!r} on the 0..1 scale",
    }
    if manifest.interface.values == HU and window is not None:
        found["window"] = f"inside: {window.low_hu!r} to {window.high_hu!r} HU"
    return found
