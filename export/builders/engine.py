"""Engines of TensorRT and TensorRT for RTX. The bundle also contains the ONNX from which they are built."""

from miniseg_edge.bundle.manifest import Manifest
from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import Builder, BuiltArtifact, Source
from miniseg_edge.export.graph.onnx_from_graph import OnnxModel
from miniseg_edge.export.tensorrt.engine_files import engine_files, gpu_to_build_on
from miniseg_edge.export.tensorrt.half import half_from_onnx
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.export.tensorrt.uint8 import uint8_at_the_end
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.runtimes.backends.tensorrt.vendors import Vendor, vendor_of


class EngineBuilder(Builder):
    """Builds engines on the GPU that will run them, or ahead of time, depending on the target's vendor."""

    def check(self, build: Build, options: EngineOptions = BY_DEFAULT) -> None:
        """Checks for the package, and for what parity is judged with. Raises: as `Builder.check`."""
        if gpu_to_build_on(_vendor(build), options.device) is None:
            check_installed(("onnxruntime",), "onnxruntime")

    def built(
        self, source: Source, build: Build, options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """The engine and its record. Raises: as `engine_files`."""
        typed, vendor = typed_for_engine(source.onnx, source.manifest, build.precision), _vendor(build)
        found = engine_files(
            vendor, typed.data, source.manifest, build, quantized=source.quantized, options=options, tell=tell
        )
        return BuiltArtifact(found.files, typed.nodes, source.macs, found.record.compiled())


def _vendor(build: Build) -> Vendor:
    vendor = vendor_of(build.target)
    assert vendor is not None  # noqa: S101  only vendors' targets have this builder
    return vendor


def typed_for_engine(onnx: OnnxModel, manifest: Manifest, precision: str) -> OnnxModel:
    """An ONNX in FP32, with quantizers for INT8 -> the same in an engine's types.

    Layers that INT8 does not quantize are FP16: with FP32, INT8 would be slower than FP16 alone.

    Raises:
        ExportError: see `half_from_onnx`, `uint8_at_the_end`.
    """
    exact = uint8_at_the_end(onnx, manifest.input, manifest.output)
    return exact if precision == "fp32" else half_from_onnx(exact, manifest.input, manifest.output)
