"""The targets of an export, one row each: a new one is a builder module and a row. Importable without torch.

Other installed packages add rows by entry points in the group `miniseg_edge.targets`.
"""

import functools
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miniseg_edge.export.build import Build
from miniseg_edge.export.graph.forms import BLOCKED, DIRECT, PACKED, PACKED_ROWS, Form
from miniseg_edge.export.quantization.scheme import CPUS, TENSOR_CORES, Scheme
from miniseg_edge.export.serving.options import OVMS, TRITON
from miniseg_edge.host.plugins import extended
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT, TENSORRT_RTX

if TYPE_CHECKING:
    from miniseg_edge.export.builders.interface import Builder

ENTRY_POINT_GROUP = "miniseg_edge.targets"

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
"""From the most exact to the least."""


@dataclass(frozen=True)
class ServedAs:
    """How a model server serves a target's artefacts.

    Attributes:
        file_names: expected by its backend, in the order of the artefact's files.
        backend: Triton's name of the backend.
        on_gpu: whether they run on a GPU, where their parity was judged.
    """

    file_names: tuple[str, ...]
    backend: str = ""
    on_gpu: bool = False


@dataclass(frozen=True)
class Target:
    """A row.

    Attributes:
        name: the value of `--target`.
        precisions: that it supports; the first is the default.
        implementation: "module:class" of its `Builder`.
        forms: of the graph without `--tune`, by precision; `DIRECT` if none is named, because engines fuse operators
            themselves.
        int8: the scheme of its integers, or None without INT8.
        leads_int8: whether its speed decides if several targets share one INT8 network, because it gains most from it.
        refused: precisions that users might expect, each with the reason for its absence.
        on_cpu: whether a CPU runs it, so that `--tune` and `--precision auto` can measure it.
        options: names of the `EngineOptions` that it takes.
        servers: model servers that can serve it, by layout.
        miniseg_alone: whether it consists of MiniSeg's own blocks. Other networks are refused, and there are no forms
            for `--tune`.
    """

    name: str
    precisions: tuple[str, ...]
    implementation: str
    forms: Mapping[str, Form] = field(default_factory=dict)
    int8: Scheme | None = None
    leads_int8: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    on_cpu: bool = True
    options: frozenset[str] = frozenset()
    servers: Mapping[str, ServedAs] = field(default_factory=dict)
    miniseg_alone: bool = False

    def __post_init__(self) -> None:
        if ("int8" in self.precisions) != (self.int8 is not None):
            raise ValueError(f"{self.name}: INT8 has a scheme where it can be built, and only there")

    def builder(self) -> "Builder":
        """Its builder; the module may need torch and the vendor."""
        module, _, name = self.implementation.partition(":")
        found: type[Builder] = getattr(importlib.import_module(module), name)
        return found()

    def form(self, precision: str) -> Form:
        """The default form of MiniSeg's graph."""
        return self.forms.get(precision, DIRECT)

    def builds(self, precisions: Iterable[str] | None) -> tuple[Build, ...]:
        """The precisions to build of those requested; None: its first."""
        wanted = self.precisions[:1] if precisions is None else precisions
        return tuple(Build(self.name, precision) for precision in wanted if precision in self.precisions)


_OURS = (
    Target(
        "onnx", ("fp32", "int8"), "miniseg_edge.export.builders.onnx:OnnxBuilder",
        forms={"fp32": BLOCKED, "int8": PACKED},
        int8=CPUS,
        servers={TRITON: ServedAs(("model.onnx",), "onnxruntime")},
    ),
    Target(
        "openvino", ("fp32", "bf16", "int8"), "miniseg_edge.export.builders.openvino:OpenVinoBuilder",
        forms={"fp32": PACKED, "bf16": PACKED_ROWS, "int8": PACKED},
        int8=CPUS,
        leads_int8=True,
        servers={layout: ServedAs(("model.xml", "model.bin"), "openvino") for layout in (TRITON, OVMS)},
    ),
    Target(
        TENSORRT.target, ("fp16", "fp32", "int8"), "miniseg_edge.export.builders.engine:EngineBuilder",
        int8=TENSOR_CORES,
        on_cpu=False,
        options=frozenset({"tf32", "workspace_mib", "version_compatible", "hardware_compatible", "device"}),
        servers={TRITON: ServedAs(("model.plan",), "tensorrt", on_gpu=True)},
    ),
    Target(
        TENSORRT_RTX.target, ("fp16", "fp32"), "miniseg_edge.export.builders.engine:EngineBuilder",
        refused={"int8": "TensorRT for RTX has no INT8 convolutions; fp16 is its fast precision"},
        on_cpu=False,
        options=frozenset({"tf32", "compute_capabilities"}),
    ),
    Target(
        "native", ("fp32",), "miniseg_edge.export.builders.native:NativeBuilder",
        refused={
            "fp16": "libminiseg computes in FP32 alone; most CPUs have no FP16 arithmetic",
            "bf16": "libminiseg computes in FP32 alone, whose bits are equal on every CPU",
            "int8": "libminiseg computes in FP32 alone; with few channels, moving pixels costs more than multiplying",
        },
        miniseg_alone=True,
    ),
)  # fmt: skip


@functools.cache
def targets() -> Mapping[str, Target]:
    """Every target by its name: ours, then those of other installed packages. Raises: UsageError, as `extended`."""
    return {row.name: row for row in extended(_OURS, ENTRY_POINT_GROUP)}


def target_named(name: str) -> Target:
    """A row. Raises: KeyError; the command has checked the name."""
    return targets()[name]


def served_by(layout: str) -> tuple[str, ...]:
    """The targets that a server can serve."""
    return tuple(name for name, target in targets().items() if layout in target.servers)


def built_for(layout: str) -> tuple[str, ...]:
    """The target to build if only a server is requested: one that runs on any machine."""
    return tuple(name for name in served_by(layout) if target_named(name).on_cpu)


def able_to(precision: str) -> tuple[str, ...]:
    """The targets that support a precision."""
    return tuple(name for name, target in targets().items() if precision in target.precisions)
