"""A verification as a record that a quality manager can file: what was checked, where, with what result, and the chain.

It becomes `verification.json` for programs and `verification.html` for people and for paper; both say the same.
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
        machine: where: processor, cores, system, and versions of the packages that took part.
        not_checked: artefacts that could not be run here, each with the reason.
        golden: what this machine drew, slice by slice.
        export: what the export was judged on, as the bundle's parity report has it.
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
    """The record of a verification that was just done on this machine. Raises: BundleError, a broken parity report."""
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
