"""One row of a report: an artefact of a bundle, or a peer, on one runtime."""

from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.bundle.manifest import Artifact


@dataclass(frozen=True)
class Configuration:
    """One row of the report, measured in a separate process.

    Attributes:
        name: unique in a report.
        runtime: of the registry, or the peer's.
        precision: "fp32", "bf16", "int8", ...
        source: path of the bundle, or of the peer's model file.
        artifact: its name in the report: a path in the bundle, or how the peer was made.
        threads: of the runtime; None uses its default.
        peer: a key of `PEERS`; "" for an artefact of a bundle.
        delay_ms: a known delay added to each inference, planted by the self-check.
        leak_kb: memory leaked per slice, planted by the self-check.
        leak: planted in each turn of a soak, a key of `leaks.LEAKS`; usually "".
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
    """An artefact of the bundle in this folder, on a runtime; `label` is a prefix of its name."""
    name = " ".join(word for word in (label, runtime, artifact.precision) if word)
    return Configuration(name, runtime, artifact.precision, str(bundle), artifact.files[0], threads)
