"""The interface of a target's builder: from the graph to files, and what it reports of the machine and the result."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from miniseg_edge.admission.models import operators_of
from miniseg_edge.bundle.compiled import Compiled
from miniseg_edge.bundle.manifest import Manifest, PrecisionShare
from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.proof import precision_shares
from miniseg_edge.export.graph.deployment_graph import DeploymentGraph
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell


@dataclass(frozen=True)
class BuiltArtifact:
    """Files by their path in the bundle, operators and multiplications per slice, and how it was compiled."""

    files: dict[str, bytes]
    nodes: int
    macs: int
    compiled: Compiled | None = None

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators of its model. Raises: UnsafeModelError for an operator that is not admitted."""
        return operators_of(self.files)


@dataclass(frozen=True, eq=False)
class Source:
    """The source of an artefact.

    Attributes:
        write_onnx: returns the ONNX; see `onnx`.
        macs: multiplications for one slice.
        manifest: how it is fed.
        quantized: names of the convolutions that must run in INT8.
        graph: from which the ONNX is written; None for INT8, whose quantizers are only in the ONNX.
    """

    write_onnx: Callable[[], OnnxModel]
    macs: int
    manifest: Manifest
    quantized: tuple[str, ...] = ()
    graph: DeploymentGraph | None = None

    @classmethod
    def of_onnx(cls, onnx: OnnxModel, macs: int, manifest: Manifest, quantized: tuple[str, ...] = ()) -> "Source":
        """From an existing ONNX."""
        return cls(lambda: onnx, macs, manifest, quantized)

    @cached_property
    def onnx(self) -> OnnxModel:
        """The graph in FP32, with quantizers for INT8. Written once, when a builder requests it.

        Raises:
            ExportError and its subclasses: see `onnx_from_graph`.
        """
        return self.write_onnx()


class Builder(ABC):
    """Base class of all builders. They have no state."""

    def check(self, build: Build, options: EngineOptions = BY_DEFAULT) -> None:
        """Checks before any work whether this machine can build and verify an artefact. By default does nothing.

        Raises:
            MissingDependencyError: a package is not installed.
            RuntimeUnavailableError: a device is missing.
            IncompatibleError: the processor does not support this precision.
        """
        return None

    @abstractmethod
    def built(
        self, source: Source, build: Build, options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """Makes the artefact.

        Args:
            source: from which it is built.
            build: its target and precision.
            options: for targets that take some.
            tell: called with the progress of slow steps.

        Raises:
            ExportError and its subclasses: a step failed its check.
            MissingDependencyError, RuntimeUnavailableError: as `check`.
        """

    def shares(self, artifact: BuiltArtifact, manifest: Manifest, build: Build) -> tuple[PrecisionShare, ...]:
        """Runs the artefact here and reports what ran in which precision, as far as its runtime tells.

        Raises:
            As `precision_shares`.
        """
        return precision_shares(tuple(artifact.files.values()), build, manifest)
