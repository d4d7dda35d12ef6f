"""One target's artefact: the deployment graph in a form, through ONNX, to the vendor's files."""

from dataclasses import dataclass

from miniseg_edge.engine_record import EngineRecord
from miniseg_edge.export.arithmetic import multiplications
from miniseg_edge.export.deployment_graph import DeploymentGraph
from miniseg_edge.export.forms import BLOCKED, DIRECT, PACKED, PACKED_ROWS, Form
from miniseg_edge.export.onnx_from_graph import onnx_from_graph
from miniseg_edge.export.openvino_from_onnx import openvino_from_onnx
from miniseg_edge.export.rewrites.graph import rewritten
from miniseg_edge.export.tensorrt.engine_files import engine_files
from miniseg_edge.export.tensorrt.half import half_from_onnx
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.export.tensorrt.uint8 import uint8_at_the_end
from miniseg_edge.manifest import Manifest
from miniseg_edge.runtimes.tensorrt.vendors import vendor_of
from miniseg_edge.tensors import HU

# The fastest of `FORMS` on the CPUs measured so far; `--tune` asks the machine itself.
_DEFAULT_FORMS = {("onnx", "fp32"): BLOCKED, ("openvino", "fp32"): PACKED, ("openvino", "bf16"): PACKED_ROWS}


def default_form(target: str, precision: str) -> Form:
    """The form that a target gets without `--tune`; engines fuse operators themselves, so theirs has the fewest."""
    return _DEFAULT_FORMS.get((target, precision), DIRECT)


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
    """Builds an artefact.

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
    target, precision = what
    folder = target if precision == "fp32" else f"{target}-{precision}"
    size = manifest.preprocessing.size
    module = rewritten(graph.network, graph.feeding, form, size)
    onnx = onnx_from_graph(module, manifest.input, manifest.output, about(manifest, form), size)
    macs = multiplications(module, manifest.interface.channels, size)
    if target == "onnx":
        return BuiltArtifact({f"{folder}/model.onnx": onnx.data}, onnx.nodes, macs)
    if (vendor := vendor_of(target)) is not None:
        exact = uint8_at_the_end(onnx, manifest.input, manifest.output)
        typed = half_from_onnx(exact, manifest.input, manifest.output) if precision == "fp16" else exact
        built = engine_files(vendor, typed.data, manifest, (folder, precision), options=engine_options, tell=tell)
        return BuiltArtifact(built.files, typed.nodes, macs, built.record)
    model = openvino_from_onnx(onnx, manifest.input, manifest.output)
    files = {f"{folder}/model.xml": model.xml, f"{folder}/model.bin": model.weights}
    return BuiltArtifact(files, model.nodes, macs)


def about(manifest: Manifest, form: Form) -> dict[str, str]:
    """What a model file says of itself; `origin` leads to its bundle, whose digest it cannot hold, being part of it."""
    statistics, window = manifest.preprocessing.statistics, manifest.preprocessing.window
    found = {
        "origin": manifest.origin,
        "checkpoint_sha256": manifest.checkpoint.sha256,
        "network": manifest.network.preset,
        "form": form.name,
        "normalisation": f"inside: mean {statistics.mean!r}, std {statistics.std!r} on the 0..1 scale",
    }
    if manifest.interface.values == HU and window is not None:
        found["window"] = f"inside: {window.low_hu!r} to {window.high_hu!r} HU"
    return found
