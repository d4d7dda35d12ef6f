"""What the manifest records about a compiled artefact: its kind, its requirements, and what was judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ARTEFACT, SOURCE = "artefact", "source"
"""What parity was judged on: the artefact itself, or its source."""


@dataclass(frozen=True)
class ShapeRange:
    """The input shapes that an artefact with free sides supports, and the one for which it is fastest."""

    minimum: tuple[int, ...]
    optimum: tuple[int, ...]
    maximum: tuple[int, ...]


@dataclass(frozen=True)
class Requirements:
    """What a machine must have to run an artefact; empty for any machine.

    Attributes:
        system: operating system and processor, such as `linux-x86_64`.
        instruction_sets: required of the processor, such as `avx2`.
        gpu: the GPU's name.
        compute_capabilities: of the GPU, such as `8.6`; one of them is required.
    """

    system: str = ""
    instruction_sets: tuple[str, ...] = ()
    gpu: str = ""
    compute_capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compiled:
    """How an artefact was compiled. Its files' hashes are in the manifest's `files`.

    Attributes:
        kind: the compiled format, such as `tensorrt`.
        version: the full version of the compiler.
        is_code: whether it contains native code. Opening such an artefact executes what its maker wrote.
        judged_on: `artefact`; or `source` if it was compiled for another machine. Such an artefact has never been run,
            so the runtime replays the golden slices each time it opens it.
        sources: paths of what it was compiled from, and can be compiled from again.
        requires: requirements for the machine that runs it.
        shapes: of inputs, if it has free sides.
        options: the compiler options. Open-ended: the runtime of this kind reads them, and readers keep unknown ones.
        details: anything else the runtime of this kind needs. Open-ended.
    """

    kind: str
    version: str
    is_code: bool
    judged_on: str
    sources: tuple[str, ...]
    requires: Requirements
    shapes: ShapeRange | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.judged_on not in (ARTEFACT, SOURCE):
            raise ValueError(f"judged on {ARTEFACT} or {SOURCE}")
