"""Plans for libminiseg, written directly from the deployment graph, without ONNX."""

from miniseg_edge import __version__
from miniseg_edge.bundle.compiled import ARTEFACT, Compiled, Requirements
from miniseg_edge.errors import ExportError
from miniseg_edge.export.build import Build
from miniseg_edge.export.builders.interface import Builder, BuiltArtifact, Source
from miniseg_edge.export.graph.plan_from_graph import plan_from_graph
from miniseg_edge.export.tensorrt.options import BY_DEFAULT, EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.native.arithmetic import multiplications
from miniseg_edge.native.plan_file import VERSION
from miniseg_edge.runtimes.backends.native import PLAN_VERSION, Native

KIND = "native"


class NativeBuilder(Builder):
    """Writes the plan. It is data, the same bytes for every machine."""

    def check(self, build: Build, options: EngineOptions = BY_DEFAULT) -> None:
        """Checks for the library, which parity is judged with. Raises: RuntimeUnavailableError."""
        Native.devices()

    def built(
        self, source: Source, build: Build, options: EngineOptions = BY_DEFAULT, tell: Tell = lambda said: None
    ) -> BuiltArtifact:
        """One file. Raises: ExportError if there is no graph of a MiniSeg."""
        if source.graph is None:
            raise ExportError(
                "a plan can only be written from the graph", expected="the deployment graph", got="only ONNX"
            )
        plan = plan_from_graph(source.graph)
        size = source.manifest.preprocessing.size
        macs = multiplications(plan.header.architecture, plan.header.channels, size)  # fewer than the graph's
        compiled = Compiled(
            KIND, __version__, is_code=False, judged_on=ARTEFACT, sources=(), requires=Requirements(),
            details={PLAN_VERSION: VERSION},
        )  # fmt: skip
        return BuiltArtifact({f"{build.folder}/model.miniseg": plan.data}, plan.layers, macs, compiled)
