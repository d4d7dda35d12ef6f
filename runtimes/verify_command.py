"""`miniseg-verify`: is this bundle whole, and does it still draw the same lesion on this machine?"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from miniseg_edge import terminal
from miniseg_edge.bundle import Bundle, open_bundle
from miniseg_edge.commands import exit_code_of
from miniseg_edge.errors import IncompatibleError, ParityError, RuntimeUnavailableError
from miniseg_edge.golden import golden_image, golden_logits
from miniseg_edge.manifest import Artifact
from miniseg_edge.parity import ParityLimits, SliceParity, TargetParity, compare, failures
from miniseg_edge.parity_summary import show
from miniseg_edge.runtimes.registry import REGISTRY, RuntimeEntry
from miniseg_edge.runtimes.segmenter import Segmenter, load


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error, 2 usage, 3 parity failed."""
    parsed = _parser().parse_args(arguments)
    return exit_code_of(lambda: _verify(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniseg-verify",
        description="Checks a bundle's hashes, opens every runtime at hand and replays the golden slices.",
        epilog="Exit codes: 0 done, 1 error, 2 usage, 3 a runtime does not reproduce the reference.",
    )
    parser.add_argument("bundle", type=Path, help="directory from miniseg-export")
    parser.add_argument("--trust", type=Path, metavar="KEY", help="public key whose owner must have signed the bundle")
    return parser


def _verify(parsed: argparse.Namespace) -> None:
    bundle = open_bundle(parsed.bundle, trust=parsed.trust)
    signed = "" if parsed.trust is None else f", signed by the owner of {parsed.trust.name}"
    terminal.say(f"{len(bundle.contents)} files, every hash right{signed}; bundle {bundle.manifest.digest}")
    parities = _replayed_by_all(bundle)
    show("Golden slices against the stored reference", parities)
    if failed := [p for p in parities if not p.passed]:
        reasons = "; ".join(f"{p.runtime} {p.precision}: {', '.join(p.failures)}" for p in failed)
        raise ParityError("this machine does not reproduce the reference", "the stored masks", reasons)
    terminal.say("verified", "good")


def _replayed_by_all(bundle: Bundle) -> list[TargetParity]:
    """Every artefact on its runtime; those that this machine cannot run are named with their reason.

    Raises:
        RuntimeUnavailableError: nothing but the reference can be checked here.
    """
    found, checked = [], 0
    for entry in REGISTRY:
        if (obstacle := entry.obstacle(bundle)) is not None:
            terminal.say(f"not checked: {entry.name}: {obstacle}")
            continue
        for artifact in bundle.manifest.artifacts:
            if artifact.target != entry.target:
                continue
            try:
                found.append(replay_golden(bundle, entry, artifact))
                checked += not entry.reference
            except IncompatibleError as error:
                terminal.warn(f"not checked: {entry.name} {artifact.precision}: {error}")
    if not checked:
        raise RuntimeUnavailableError(
            "no runtime at hand can serve this bundle", "one of its targets' runtimes", "none"
        )
    return found


def replay_golden(bundle: Bundle, entry: RuntimeEntry, artifact: Artifact) -> TargetParity:
    """Runs the bundle's golden slices through one artefact and compares with the stored reference.

    Raises:
        BundleError: a golden slice is not what the manifest says.
        IncompatibleError: this machine cannot run the artefact.
        InferenceError, NumericError: the runtime failed.
    """
    limits = bundle.manifest.limits(artifact)
    with terminal.patience(f"opening {artifact.target} {artifact.precision}"):
        segmenter = load(bundle, entry.name, precision=artifact.precision)
    with segmenter:
        slices = tuple(_replayed(bundle, segmenter, limits))
        return TargetParity(
            target=artifact.target,
            precision=artifact.precision,
            runtime=entry.name,
            limits=limits,
            failures=failures(slices, limits),
            mean_iou=None,
            reference_mean_iou=None,
            slices=slices,
        )


def _replayed(bundle: Bundle, segmenter: Segmenter, limits: ParityLimits) -> Iterator[SliceParity]:
    for golden in bundle.manifest.golden:
        image = golden_image(bundle, golden)
        expected = golden_logits(bundle, golden, (image.shape[0], image.shape[1]))
        yield compare(golden.name, expected, segmenter.segment(image).evidence, limits)
