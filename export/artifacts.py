"""One target's artefact: the deployment graph in a form, through ONNX, to the vendor's files."""

from miniseg_edge.export.deployment_graph import DeploymentGraph
from miniseg_edge.export.forms import BLOCKED, PACKED, PACKED_ROWS, Form
from miniseg_edge.export.onnx_from_graph import onnx_from_graph
from miniseg_edge.export.openvino_from_onnx import openvino_from_onnx
from miniseg_edge.export.rewrites.graph import rewritten
from miniseg_edge.manifest import Manifest

# The fastest of `FORMS` on the CPUs measured so far; `--tune` asks the machine itself.
_DEFAULT_FORMS = {("onnx", "fp32"): BLOCKED, ("openvino", "fp32"): PACKED, ("openvino", "bf16"): PACKED_ROWS}


def default_form(target: str, precision: str) -> Form:
    """The form that a target gets without `--tune`."""
    return _DEFAULT_FORMS[target, precision]


def artifact_files(
    graph: DeploymentGraph, manifest: Manifest, what: tuple[str, str], form: Form
) -> tuple[dict[str, bytes], int]:
    """The files of an artefact by their path in the bundle, and the number of operators.

    Args:
        graph, manifest: of which network, and how it is fed.
        what: target and precision.
        form: how the graph is written.

    Raises:
        ExportError and its kin: a step failed its check.
        MissingDependencyError: the vendor's package is not installed.
    """
    target, precision = what
    folder = target if precision == "fp32" else f"{target}-{precision}"
    statistics = manifest.preprocessing.statistics
    module = rewritten(graph.network, statistics, form, manifest.preprocessing.size)
    about = {
        "checkpoint_sha256": manifest.checkpoint.sha256,
        "network": manifest.network.preset,
        "form": form.name,
        "normalisation": f"inside: mean {statistics.mean!r}, std {statistics.std!r} on the 0..1 scale",
    }
    onnx = onnx_from_graph(module, manifest.input, manifest.output, about)
    if target == "onnx":
        return {f"{folder}/model.onnx": onnx.data}, onnx.nodes
    model = openvino_from_onnx(onnx, manifest.input, manifest.output)
    return {f"{folder}/model.xml": model.xml, f"{folder}/model.bin": model.weights}, model.nodes
