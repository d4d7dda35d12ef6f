"""A target and its runtime, as another package would add them: ONNX that is packed, and unpacked for ONNX Runtime."""

import zlib

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.compiled import ARTEFACT, Compiled, Requirements
from miniseg_edge.errors import IncompatibleError
from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import Builder, BuiltArtifact, Source
from miniseg_edge.export.targets import Target
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.runtimes.backends.onnxruntime import OnnxRuntime
from miniseg_edge.runtimes.backends.registry import RuntimeEntry

TARGET = Target("toy", ("fp32",), "miniseg_toy:ToyBuilder")
RUNTIME = RuntimeEntry("toy", "toy", "miniseg_toy:Toy", "onnxruntime", "onnxruntime")

MAX_BYTES = 2**26


class ToyBuilder(Builder):
    """Packs the ONNX."""

    def built(
        self, source: Source, build: Build, options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """One file."""
        packed = zlib.compress(source.onnx.data, level=1)
        compiled = Compiled("toy", "1.0", is_code=False, judged_on=ARTEFACT, sources=(), requires=Requirements())
        return BuiltArtifact({f"{build.folder}/model.toy": packed}, source.onnx.nodes, source.macs, compiled)


class Toy(OnnxRuntime):
    """Unpacks it."""

    name = "toy"
    reads_models = False

    def _open(self, bundle: Bundle, files: list[bytes]) -> None:
        unpacking = zlib.decompressobj()
        onnx = unpacking.decompress(files[0], MAX_BYTES)
        if not unpacking.eof:
            raise IncompatibleError("the toy's file is not a packed ONNX", expected="a whole one", got="part of one")
        super()._open(bundle, [onnx])
