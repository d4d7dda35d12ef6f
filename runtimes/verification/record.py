"""A verification as a record for quality managers: what was checked, where, with which result, and the chain.

It becomes `verification.json` for programs and `verification.html` for people; both have the same content.
"""

import platform
from dataclasses import dataclass
from datetime import datetime, timezone

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.records import object_from_json, record_from_object
from miniseg_edge.host.dependencies import versions
from miniseg_edge.host.processor import processor, usable_cores
from miniseg_edge.parity.comparison import ParityReport, TargetParity
from miniseg_edge.runtimes.verification.chain import Fact, Link

VERIFICATION_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Verification:
    """The file `verification.json`.

    Attributes:
        schema_version: 1.
        created: ISO 8601, UTC.
        passed: whether every artefact that was run reproduces the reference's golden slices.
        bundle, bundle_digest: what was verified.
        machine: where: processor, cores, system, and versions of the packages involved.
        not_checked: artefacts that could not be run here, each with the reason.
        golden: this machine's results, slice by slice.
        export: the results of the export, from the bundle's parity report.
        chain: from the bundle back to the training.
    """

    schema_version: int
    created: str
    passed: bool
    bundle: str
    bundle_digest: str
    machine: tuple[Fact, ...]
    not_checked: tuple[str, ...]
    golden: tuple[TargetParity, ...]
    export: ParityReport
    chain: tuple[Link, ...]


def verification_of(
    bundle: Bundle, golden: tuple[TargetParity, ...], not_checked: tuple[str, ...], chain: tuple[Link, ...]
) -> Verification:
    """The record of a verification just done on this machine. Raises: BundleError for a broken parity report."""
    name = bundle.manifest.parity.report
    return Verification(
        schema_version=VERIFICATION_SCHEMA_VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        passed=all(parity.passed for parity in golden),
        bundle=bundle.name,
        bundle_digest=bundle.manifest.digest,
        machine=_machine(),
        not_checked=not_checked,
        golden=golden,
        export=record_from_object(ParityReport, object_from_json(bundle.contents[name], name), name),
        chain=chain,
    )


def _machine() -> tuple[Fact, ...]:
    installed = ", ".join(f"{name} {version}" for name, version in versions().items())
    return (
        Fact("processor", f"{processor()}, cores for this process: {usable_cores()}"),
        Fact("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        Fact("Python", platform.python_version()),
        Fact("packages", installed),
    )
