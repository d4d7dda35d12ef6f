"""OpenVINO IR. BF16 is the same IR, run in BF16."""

from miniseg_edge.errors import IncompatibleError
from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import Builder, BuiltArtifact, Source
from miniseg_edge.export.graph.openvino_from_onnx import openvino_from_onnx
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.runtimes.backends.openvino import has_bf16


class OpenVinoBuilder(Builder):
    """Converts the ONNX."""

    def check(self, build: Build, options: EngineOptions = BY_DEFAULT) -> None:
        """Checks for the package, and for BF16 in the processor. Raises: as `Builder.check`."""
        check_installed(("openvino",), "openvino")
        if build.precision == "bf16" and not has_bf16():
            raise IncompatibleError(
                "this CPU has no BF16, so BF16 cannot be verified on it",
                expected="AVX-512 BF16 or AMX",
                got="neither",
                remedy="Export on a machine like the target, or omit --precision bf16.",
            )

    def built(
        self, source: Source, build: Build, options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """Topology and weights. Raises: ExportError, MissingDependencyError."""
        model = openvino_from_onnx(source.onnx, source.manifest.input, source.manifest.output)
        files = {f"{build.folder}/model.xml": model.xml, f"{build.folder}/model.bin": model.weights}
        return BuiltArtifact(files, model.nodes, source.macs)
