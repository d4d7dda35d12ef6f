"""What a target's builder does: from the graph to files, and what it can say of the machine and the result."""

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
    """Files by their path in the bundle, how many operators and multiplications a slice takes, how it was compiled."""

    files: dict[str, bytes]
    nodes: int
    macs: int
    compiled: Compiled | None = None

    @property
    def operators(self) -> tuple[str, ...]:
        """What its model is made of. Raises: UnsafeModelError, an operator that no runtime of ours admits."""
        return operators_of(self.files)


@dataclass(frozen=True, eq=False)
class Source:
    """What an artefact is made from.

    Attributes:
        write_onnx: gives the ONNX; see `onnx`.
        macs: multiplications for one slice.
        manifest: how it is fed.
        quantized: names of the convolutions that are to run in INT8.
        graph: what the ONNX is written from; None for INT8, whose quantizers are in the ONNX alone.
    """

    write_onnx: Callable[[], OnnxModel]
    macs: int
    manifest: Manifest
    quantized: tuple[str, ...] = ()
    graph: DeploymentGraph | None = None

    @classmethod
    def of_onnx(cls, onnx: OnnxModel, macs: int, manifest: Manifest, quantized: tuple[str, ...] = ()) -> "Source":
        """Of an ONNX that is there."""
        return cls(lambda: onnx, macs, manifest, quantized)

    @cached_property
    def onnx(self) -> OnnxModel:
        """The graph in FP32, with quantizers for INT8. Written when a builder asks for it, and once.

        Raises:
            ExportError and its subclasses: see `onnx_from_graph`.
        """
        return self.write_onnx()


class Builder(ABC):
    """Base of all builders. They have no state."""

    def check(self, build: Build, options: EngineOptions = BY_DEFAULT) -> None:
        """Asks, before any work, whether this machine can make and prove an artefact. Does nothing by default.

        Raises:
            MissingDependencyError: a package is not installed.
            RuntimeUnavailableError: a device is not there.
            IncompatibleError: the processor does not run this precision.
        """
        return None

    @abstractmethod
    def built(
        self, source: Source, build: Build, options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """Makes the artefact.

        Args:
            source: what it is made from.
            build: its target and precision.
            options: for targets that take some.
            tell: told how far a step is that takes long.

        Raises:
            ExportError and its subclasses: a step failed its check.
            MissingDependencyError, RuntimeUnavailableError: as `check`.
        """

    def shares(self, artifact: BuiltArtifact, manifest: Manifest, build: Build) -> tuple[PrecisionShare, ...]:
        """Runs the artefact here and says what ran in which precision, as far as its runtime tells.

        Raises:
            As `precision_shares`.
        """
        return precision_shares(tuple(artifact.files.values()), build, manifest)
