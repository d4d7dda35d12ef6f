"""One row of a report: an artefact of a bundle, or a peer, on one runtime."""

from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.bundle.manifest import Artifact


@dataclass(frozen=True)
class Configuration:
    """One row of the report, measured in a process of its own.

    Attributes:
        name: unique in a report.
        runtime: of the registry, or the peer's.
        precision: "fp32", "bf16", "int8", ...
        source: path of the bundle, or of the peer's model file.
        artifact: what the report calls it: a path in the bundle, or how the peer was made.
        threads: of the runtime; None leaves its default.
        peer: a key of `PEERS`; "" for an artefact of a bundle.
        delay_ms: a known delay added to each inference; how the instrument's self-check slows a runtime down.
        leak_kb: memory kept from each slice on purpose; how the self-check plants a leak.
        leak: planted in each turn of a soak, a key of `leaks.LEAKS`; "" as a rule.
    """

    name: str
    runtime: str
    precision: str
    source: str
    artifact: str = ""
    threads: int | None = None
    peer: str = ""
    delay_ms: float = 0.0
    leak_kb: int = 0
    leak: str = ""


def configuration_of(
    bundle: Path, runtime: str, artifact: Artifact, threads: int | None, label: str = ""
) -> Configuration:
    """An artefact of the bundle in this folder, on a runtime; `label` goes before its name."""
    name = " ".join(word for word in (label, runtime, artifact.precision) if word)
    return Configuration(name, runtime, artifact.precision, str(bundle), artifact.files[0], threads)
