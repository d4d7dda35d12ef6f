"""What this installation finds on this machine, as a record."""

import platform
from dataclasses import dataclass

from miniseg_edge import __version__
from miniseg_edge.errors import MiniSegError
from miniseg_edge.host.dependencies import versions
from miniseg_edge.host.extras import Extra, extras
from miniseg_edge.host.processor import processor, usable_cores
from miniseg_edge.native.binding import InstructionSet, instruction_sets
from miniseg_edge.native.structures import NativeError
from miniseg_edge.runtimes.backends.registry import RuntimeEntry, registry
from miniseg_edge.studies.dicom.decoders import DecoderState, decoders

SCHEMA_VERSION = 1

_FOR_DEVELOPERS = ("dev", "fuzz")


@dataclass(frozen=True)
class RuntimeState:
    """A runtime on this machine.

    Attributes:
        name: as `--runtime` takes it.
        target: as `miniseg-export --target` takes it; "torch-reference" has no target.
        devices: the first is the default; empty if it cannot run.
        problem: why it cannot run, with the remedy; "" if it can.
        reference: it serves parity alone.
    """

    name: str
    target: str
    devices: tuple[str, ...]
    problem: str
    reference: bool


@dataclass(frozen=True)
class Examination:
    """The answer of `miniseg-doctor --json`.

    Attributes:
        schema_version: 1.
        version: of this package.
        python, system, processor: where it runs.
        cores: that this process may use.
        instruction_sets: that the native runtime can use here, the best last; empty if its library cannot be loaded.
        packages: versions of the distributions that make, run or sign bundles.
        runtimes: in the order in which "auto" prefers them.
        decoders: of compressed DICOM files.
        extras: with what each lacks here.
    """

    schema_version: int
    version: str
    python: str
    system: str
    processor: str
    cores: int
    instruction_sets: tuple[str, ...]
    packages: dict[str, str]
    runtimes: tuple[RuntimeState, ...]
    decoders: tuple[DecoderState, ...]
    extras: tuple[Extra, ...]

    @property
    def can_segment(self) -> bool:
        """Whether a runtime other than the reference can run here."""
        return any(one.devices and not one.reference for one in self.runtimes)


def examination() -> Examination:
    """Looks at this machine; imports the packages of runtimes that are installed. Raises: UsageError, of plugins."""
    return Examination(
        schema_version=SCHEMA_VERSION,
        version=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=processor(),
        cores=usable_cores(),
        instruction_sets=_instruction_sets(),
        packages=versions(),
        runtimes=tuple(_state(entry) for entry in registry()),
        decoders=decoders(),
        extras=tuple(extra for extra in extras() if extra.name not in _FOR_DEVELOPERS),
    )


def _instruction_sets() -> tuple[str, ...]:
    try:
        return tuple(one.name.lower() for one in instruction_sets() if one is not InstructionSet.BEST)
    except (OSError, NativeError):  # the native runtime's own line says why
        return ()


def _state(entry: RuntimeEntry) -> RuntimeState:
    problem = entry.absence() or ""
    devices: tuple[str, ...] = ()
    if not problem:
        try:
            devices = entry.load().devices()
        except MiniSegError as error:
            problem = str(error)
    return RuntimeState(entry.name, entry.target, devices, problem, entry.reference)
