"""Builds one target's artefact: from the deployment graph, through ONNX or directly, to the vendor's files."""

from torch import nn

from miniseg_edge.bundle.manifest import Manifest
from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import BuiltArtifact, Source
from miniseg_edge.export.graph.arithmetic import multiplications
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph
from miniseg_edge.export.graph.forms import AS_TRAINED, Form
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel, onnx_from_graph
from miniseg_edge.export.graph.rewrites.as_trained import AsTrained
from miniseg_edge.export.graph.rewrites.graph import rewritten
from miniseg_edge.export.targets import target_named
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.tensors import HU
from miniseg_edge.training.networks.miniseg import MiniSeg


def form_of(graph: DeploymentGraph, build: Build) -> Form:
    """The form of a graph without `--tune`; the rewrites only know MiniSeg's structure."""
    return target_named(build.target).form(build.precision) if isinstance(graph.network, MiniSeg) else AS_TRAINED


def built_artifact(
    graph: DeploymentGraph,
    manifest: Manifest,
    build: Build,
    form: Form,
    *,
    engine_options: EngineOptions = BY_DEFAULT,
    tell: Tell = lambda said: None,
) -> BuiltArtifact:
    """Builds an artefact in any precision except INT8.

    Args:
        graph, manifest: the network, and how it is fed.
        build: target and precision.
        form: how the graph is written.
        engine_options: for targets that are engines.
        tell: called with the progress of slow steps.

    Raises:
        ExportError and its subclasses, MissingDependencyError, RuntimeUnavailableError: see `Builder.built`.
    """
    module = _written(graph, form, manifest.preprocessing.size)
    source = Source(lambda: _onnx(module, manifest, form), _macs(module, manifest), manifest, graph=graph)
    return target_named(build.target).builder().built(source, build, engine_options, tell)


def onnx_of(graph: DeploymentGraph, manifest: Manifest, form: Form) -> tuple[OnnxModel, int]:
    """The graph as ONNX in FP32, and its multiplications for one slice. Raises: ExportError and its subclasses."""
    module = _written(graph, form, manifest.preprocessing.size)
    return _onnx(module, manifest, form), _macs(module, manifest)


def _onnx(module: nn.Module, manifest: Manifest, form: Form) -> OnnxModel:
    size = manifest.preprocessing.size
    return onnx_from_graph(module, manifest.input, manifest.output, about(manifest, form), size)


def _macs(module: nn.Module, manifest: Manifest) -> int:
    return multiplications(module, manifest.interface.channels, manifest.preprocessing.size)


def _written(graph: DeploymentGraph, form: Form, size: tuple[int, int]) -> nn.Module:
    if not isinstance(graph.network, MiniSeg):
        return AsTrained(graph).eval()
    return rewritten(graph.network, graph.feeding, form, size)


def about(manifest: Manifest, form: Form) -> dict[str, str]:
    """A model file's metadata. `origin` leads to its bundle; the bundle's digest cannot be in a part of the bundle."""
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
