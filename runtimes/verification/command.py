"""`miniseg-verify`: is this bundle intact, and does it still segment the same lesion on this machine?"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.bundle.parity_summary import show
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.bundle.sbom import sbom_from_bundle
from miniseg_edge.bundle.signature import SIGNATURE_NAME
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.console.voice import answering
from miniseg_edge.errors import IncompatibleError, OutputExistsError, ParityError, RuntimeUnavailableError, UsageError
from miniseg_edge.host.files import replace_file, sha256_of
from miniseg_edge.parity.comparison import SliceParity, TargetParity, failures
from miniseg_edge.plurals import number_of
from miniseg_edge.runtimes.backends.registry import RuntimeEntry, entries_for
from miniseg_edge.runtimes.backends.replay import replayed
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.runtimes.segmenter.within import seconds, within
from miniseg_edge.runtimes.verification.chain import chain_of
from miniseg_edge.runtimes.verification.chain import show as show_chain
from miniseg_edge.runtimes.verification.page import page_from_verification
from miniseg_edge.runtimes.verification.record import Verification, verification_of

DEADLINE_S = 600.0
"""An engine may be compiled for this GPU when it is first opened, which takes minutes."""

JSON_NAME, HTML_NAME, SBOM_NAME = "verification.json", "verification.html", "sbom.cdx.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error, 2 usage, 3 parity failed."""
    return run(_parser(), arguments, lambda parsed: _verify(parsed) if parsed.explain is None else _explain(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="miniseg-verify",
        description="Checks a bundle's hashes, opens every available runtime and replays the golden slices.",
        epilog="Exit codes: 0 done, 1 error, 2 usage, 3 a runtime does not reproduce the reference.",
        answers=True,
        examples=(
            "miniseg-verify bundle",
            "miniseg-verify bundle --explain masks/0001.png",
            "miniseg-verify bundle --record audit/2026-11 --trust bundle.pub",
        ),
    )
    parser.add_argument("bundle", type=Path, help="directory from miniseg-export")
    parser.add_argument("--trust", type=Path, metavar="KEY", help="public key with which the bundle must be signed")
    parser.add_argument(
        "--explain",
        nargs="?",
        const="",
        metavar="RESULT",
        help="instead: trace the bundle, or a mask, overlay or findings that it made, back to the training",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help=f"write a record of the check there: {JSON_NAME}, {HTML_NAME}, {SBOM_NAME}",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing record")
    parser.add_argument(
        "--deadline",
        type=seconds,
        default=DEADLINE_S,
        metavar="S",
        help="for opening and running each artefact (%(default)g)",
    )
    return parser


def _explain(parsed: argparse.Namespace) -> None:
    if parsed.record is not None:
        raise UsageError("a record already contains the chain", expected="--explain or --record", got="both")
    bundle = open_bundle(parsed.bundle, trust=parsed.trust)
    chain = chain_of(bundle, _signature(parsed), Path(parsed.explain) if parsed.explain else None)
    terminal.answer(chain)
    with answering():
        show_chain(chain)


def _verify(parsed: argparse.Namespace) -> None:
    if parsed.record is not None:
        _check_record(parsed.record, overwrite=parsed.overwrite)
    bundle = open_bundle(parsed.bundle, trust=parsed.trust)
    signed = "" if parsed.trust is None else f", signed by the owner of {parsed.trust.name}"
    terminal.say(
        f"{number_of(len(bundle.contents), 'file')}, every hash right{signed}; bundle {bundle.manifest.digest}"
    )
    parities, not_checked = _replayed_by_all(bundle, parsed.deadline)
    show("Golden slices against the stored reference", parities)
    chain = chain_of(bundle, _signature(parsed))
    verification = verification_of(bundle, tuple(parities), tuple(not_checked), chain)
    terminal.answer(verification)
    if parsed.record is not None:
        _write_record(verification, bundle, parsed.record)
        terminal.say(f"filed in {parsed.record}: {JSON_NAME}, {HTML_NAME}, {SBOM_NAME}")
    if failed := [p for p in parities if not p.passed]:
        reasons = "; ".join(f"{p.runtime} {p.precision}: {', '.join(p.failures)}" for p in failed)
        raise ParityError("this machine does not reproduce the reference", expected="the stored masks", because=reasons)
    terminal.points("What its export remarked:", bundle.manifest.parity.remarks)
    terminal.say("verified", "good")


def _check_record(folder: Path, *, overwrite: bool) -> None:
    """Refuses before the work what must not be overwritten after it. Raises: OutputExistsError."""
    for path in (folder / JSON_NAME, folder / HTML_NAME, folder / SBOM_NAME):
        if path.exists() and not overwrite:
            raise OutputExistsError(
                f"{path} exists", expected="a new file", remedy="Choose another folder or add --overwrite."
            )


def _write_record(verification: Verification, bundle: Bundle, folder: Path) -> None:
    """Writes the record and the bundle's bill of materials, each file completely or not at all. Raises: OutputError."""
    replace_file(folder / SBOM_NAME, sbom_from_bundle(bundle).encode())
    replace_file(folder / JSON_NAME, json_from_record(verification).encode())
    replace_file(folder / HTML_NAME, page_from_verification(verification).encode())


def _signature(parsed: argparse.Namespace) -> str:
    """The signature of an opened bundle, as text."""
    if parsed.trust is not None:
        return f"holds, by the owner of {parsed.trust.name} (SHA-256 {sha256_of(parsed.trust.read_bytes())})"
    there = (parsed.bundle / SIGNATURE_NAME).is_file()
    return "there, but not checked: no key was given (--trust KEY)" if there else "none"


def _replayed_by_all(bundle: Bundle, deadline_s: float) -> tuple[list[TargetParity], list[str]]:
    """Every artefact on its runtime, and those that this machine cannot run, each with the reason.

    Raises:
        RuntimeUnavailableError: only the reference could be checked here.
    """
    found, not_checked, checked = [], [], 0
    for entry in entries_for(bundle):
        if (obstacle := entry.obstacle(bundle)) is not None:
            if entry.alternative:  # another runtime checks the same artefact
                continue
            terminal.say(f"not checked: {entry.name}: {obstacle}")
            not_checked += [f"{entry.name}: {obstacle}"] if entry.artifact(bundle) is not None else []
            continue
        for artifact in bundle.manifest.artifacts:
            if artifact.target != entry.target:
                continue
            try:
                found.append(replay_golden(bundle, entry, artifact, deadline_s))
                checked += not entry.reference
            except IncompatibleError as error:
                not_checked.append(f"{entry.name} {artifact.precision}: {error}")
                terminal.warn(f"not checked: {not_checked[-1]}")
    if not checked:
        raise RuntimeUnavailableError(
            "no runtime can serve this bundle here", expected="one of its targets' runtimes", got="none"
        )
    return found, not_checked


def replay_golden(
    bundle: Bundle, entry: RuntimeEntry, artifact: Artifact, deadline_s: float = DEADLINE_S
) -> TargetParity:
    """Runs the bundle's golden slices through one artefact and compares with the stored reference.

    Raises:
        BundleError: a golden slice does not match the manifest.
        IncompatibleError: this machine cannot run the artefact; UnsafeModelError: it is not admitted.
        DeadlineError: opening and running it takes longer than `deadline_s`.
        InferenceError, NumericError: the runtime failed.
    """
    limits = bundle.manifest.limits(artifact)
    name = f"{artifact.target} {artifact.precision}"

    def opened_and_run() -> tuple[SliceParity, ...]:
        with load(bundle, entry.name, precision=artifact.precision) as segmenter:
            return tuple(replayed(bundle, lambda image: segmenter.segment(image).evidence, limits))

    with terminal.patience(f"opening {name} and running the golden slices"):
        slices = within(deadline_s, opened_and_run, f"{name} on {entry.name}")
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
