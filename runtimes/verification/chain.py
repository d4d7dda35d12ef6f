"""Traces a mask to its origin: result, bundle, artefact, parity, calibration, checkpoint, training."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import REFERENCE_TARGET, Artifact
from miniseg_edge.console import terminal
from miniseg_edge.errors import IntegrityError
from miniseg_edge.host.files import sha256_of
from miniseg_edge.plurals import number_of
from miniseg_edge.runtimes.backends.registry import entries_for
from miniseg_edge.studies.provenance import Provenance, provenance_of

NOT_RECORDED = "not recorded"

_SHOWN, _NAME = 160, 40
"""Maximum letters of a value and of a fact's name."""

_WIDTH = 14


@dataclass(frozen=True)
class Fact:
    """A line about a link of the chain."""

    name: str
    value: str


@dataclass(frozen=True)
class Link:
    """One link of the chain: its title, and its facts."""

    title: str
    facts: tuple[Fact, ...]


def chain_of(bundle: Bundle, signature: str, result: Path | None = None) -> tuple[Link, ...]:
    """The links from a result, or from the bundle, back to the training.

    Args:
        bundle: that made the result.
        signature: as text, because an opened bundle has none.
        result: a mask, an overlay, or findings from miniseg-segment, or None.

    Raises:
        UnsupportedFormatError: the result has no record of the bundle that made it.
        IntegrityError: another bundle made it.
    """
    drawn_by = None if result is None else provenance_of(result)
    links = [] if result is None or drawn_by is None else [_result(result, drawn_by, bundle)]
    artifacts = _artifacts(bundle, drawn_by)
    links += [_bundle(bundle, signature)]
    links += [_artifact(bundle, artifact) for artifact in artifacts]
    return (*links, _parity(bundle, artifacts), _calibration(artifacts), _checkpoint(bundle), _training(bundle))


def show(chain: tuple[Link, ...]) -> None:
    """Prints the chain; long values are shortened, the record of `--record` has them in full."""
    for index, link in enumerate(chain):
        terminal.hanging("<- " if index else "", _cut(link.title, _SHOWN), "good")
        for fact in link.facts:
            terminal.hanging(f"     {_cut(fact.name, _NAME):<{_WIDTH}} ", _cut(fact.value, _SHOWN))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}..."


def _result(path: Path, drawn_by: Provenance, bundle: Bundle) -> Link:
    if drawn_by.bundle_digest != bundle.manifest.digest:
        raise IntegrityError(
            f"{path.name} was made by another bundle",
            expected=f"bundle {bundle.manifest.digest}",
            got=drawn_by.bundle_digest,
            remedy="Find the bundle with that digest.",
        )
    facts = [Fact("SHA-256", sha256_of(path.read_bytes())), Fact("drawn by", drawn_by.short or NOT_RECORDED)]
    facts += [
        Fact("input SHA-256", drawn_by.input_sha256 or NOT_RECORDED),
        Fact("names bundle", drawn_by.bundle_digest),
    ]
    return Link(f"result {path.name}", tuple(facts))


def _bundle(bundle: Bundle, signature: str) -> Link:
    manifest = bundle.manifest
    facts = [Fact("digest", manifest.digest), Fact("created", manifest.created), Fact("signature", signature)]
    tools = ", ".join(f"{name} {version}" for name, version in sorted(manifest.tools.items()))
    return Link(f"bundle {bundle.name}", (*facts, Fact("made with", tools)))


def _artifacts(bundle: Bundle, drawn_by: Provenance | None) -> list[Artifact]:
    """The artefact that made the result, or all artefacts for deployment."""
    manifest = bundle.manifest
    deployed = [a for a in manifest.artifacts if a.target != REFERENCE_TARGET]
    if drawn_by is None or not drawn_by.runtime:
        return deployed
    targets = [entry.target for entry in entries_for(bundle) if entry.name == drawn_by.runtime]
    return [a for a in manifest.artifacts if a.target in targets and a.precision == drawn_by.precision]


def _artifact(bundle: Bundle, artifact: Artifact) -> Link:
    files = (Fact(name, f"SHA-256 {bundle.manifest.files[name].sha256}") for name in artifact.files)
    facts = [*files, Fact("origin", bundle.manifest.origin), Fact("form", artifact.form)]
    if (compiled := artifact.compiled) is not None:
        said = f"{compiled.kind} {compiled.version}, judged on the {compiled.judged_on}"
        facts.append(Fact("compiled", f"{said}; native code" if compiled.is_code else said))
    return Link(f"artefact {artifact.target} {artifact.precision}", tuple(facts))


def _parity(bundle: Bundle, artifacts: list[Artifact]) -> Link:
    parity = bundle.manifest.parity
    facts = [Fact("judged on", parity.validation), Fact("report", parity.report)]
    shown = {(a.target, a.precision) for a in artifacts}
    for verdict in parity.verdicts:
        if (verdict.target, verdict.precision) in shown:
            said = (
                f"{'passed' if verdict.passed else 'FAILED'}: {number_of(verdict.slices, 'slice')}, "
                f"Dice {verdict.dice_mean:.4f} mean, {verdict.dice_worst:.4f} worst, "
                f"{number_of(verdict.real_flips, 'pixel')} beyond ties"
            )
            facts.append(Fact(f"{verdict.target} {verdict.precision}", said))
    facts += [Fact("not judged", remark) for remark in parity.remarks]
    return Link("parity with the FP32 reference", tuple(facts))


def _calibration(artifacts: list[Artifact]) -> Link:
    facts = []
    for artifact in artifacts:
        if (found := artifact.quantization) is not None:
            hashes = f"{number_of(len(found.calibration), 'slice')}, SHA-256 {', '.join(found.calibration)}"
            facts.append(Fact(f"{artifact.target} {artifact.precision}", hashes))
    return Link("calibration slices", tuple(facts) or (Fact("slices", "none: nothing was fitted"),))


def _checkpoint(bundle: Bundle) -> Link:
    manifest = bundle.manifest
    statistics = manifest.preprocessing.statistics
    normalisation = (
        f"mean {statistics.mean!r}, std {statistics.std!r}, from the {manifest.preprocessing.statistics_source}"
    )
    return Link(
        f"checkpoint {manifest.checkpoint.name}",
        (
            Fact("SHA-256", manifest.checkpoint.sha256),
            Fact("network", f"{manifest.network.name}, {manifest.network.parameters:,} parameters"),
            Fact("normalisation", normalisation),
        ),
    )


def _training(bundle: Bundle) -> Link:
    training = bundle.manifest.checkpoint.training
    if training is None:
        return Link("training run", (Fact("record", NOT_RECORDED),))
    return Link("training run", tuple(_flat(asdict(training))))


def _flat(value: Mapping[str, object], prefix: str = "") -> Iterator[Fact]:
    """Nested JSON as one line per leaf; lists in one line with their length."""
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{name}.")
        elif isinstance(item, list | tuple):
            yield Fact(name, f"{len(item)}: {', '.join(map(str, item))}" if item else "none")
        else:
            yield Fact(name, str(item))
