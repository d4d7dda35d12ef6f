"""ONNX for ONNX Runtime: the graph unchanged."""

from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import Builder, BuiltArtifact, Source
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell


class OnnxBuilder(Builder):
    """Writes the ONNX. Any machine can do that, and parity only needs the CPU."""

    def built(
        self, source: Source, build: Build, options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """One file."""
        return BuiltArtifact({f"{build.folder}/model.onnx": source.onnx.data}, source.onnx.nodes, source.macs)
