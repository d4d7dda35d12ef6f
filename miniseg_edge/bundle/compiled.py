"""What the manifest says of an artefact that was compiled ahead of its use: to what, for what, and what was judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ARTEFACT, SOURCE = "artefact", "source"
"""What parity was judged on: the artefact itself, or what it was compiled from."""


@dataclass(frozen=True)
class ShapeRange:
    """The input shapes that an artefact with free sides serves, and the one that it is fastest at."""

    minimum: tuple[int, ...]
    optimum: tuple[int, ...]
    maximum: tuple[int, ...]


@dataclass(frozen=True)
class Requirements:
    """What a machine must have to run an artefact; empty: any.

    Attributes:
        system: operating system and processor, such as `linux-x86_64`.
        instruction_sets: of the processor, such as `avx2`.
        gpu: the GPU's name.
        compute_capabilities: of the GPU, such as `8.6`: one of these.
    """

    system: str = ""
    instruction_sets: tuple[str, ...] = ()
    gpu: str = ""
    compute_capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compiled:
    """How an artefact was compiled. Its files' hashes are in the manifest's `files`.

    Attributes:
        kind: what it was compiled to, such as `tensorrt`.
        version: of what compiled it, in full.
        is_code: whether it holds native code. Opening such an artefact runs what its maker wrote.
        judged_on: `artefact`; or `source`, where it was compiled for a machine that was not there. Then nobody has
            seen this artefact run, and the runtime replays the golden slices each time it opens it.
        sources: paths of what it was compiled from, and can be compiled from again.
        requires: of a machine that runs it.
        shapes: of inputs, if it has free sides.
        options: that it was compiled with. Open: the runtime of this kind reads them, and readers keep what they do not
            know.
        details: what else the runtime of this kind has to know. Open.
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
