"""ONNX for ONNX Runtime: the graph unchanged."""

from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import Builder, BuiltArtifact, Source
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.host.dependencies import check_installed


class OnnxBuilder(Builder):
    """Writes the ONNX. Any machine can do that, and parity only needs ONNX Runtime on the CPU."""

    def check(self, build: Build, options: EngineOptions = BY_DEFAULT) -> None:
        """Checks for the package that parity is judged with. Raises: MissingDependencyError."""
        check_installed(("onnxruntime",), "onnxruntime")

    def built(
        self, source: Source, build: Build, options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """One file."""
        return BuiltArtifact({f"{build.folder}/model.onnx": source.onnx.data}, source.onnx.nodes, source.macs)
