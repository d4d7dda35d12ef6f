"""`manifest.json`: the description of a bundle. `docs/bundle.md` describes each field."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from miniseg_edge.architecture import MAX_CHANNELS, MAX_CLASSES, Architecture
from miniseg_edge.bundle.compiled import Compiled
from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.bundle.training_record import TrainingRecord
from miniseg_edge.errors import BundleError, IncompatibleError, IntegrityError, MiniSegError, PathEscapeError
from miniseg_edge.host.names import is_portable, same_elsewhere
from miniseg_edge.parity.comparison import ParityLimits
from miniseg_edge.slices.preprocessing import GREY_MAX, Statistics, Window
from miniseg_edge.tensors import HU, GraphInterface, TensorSpec

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
MAX_NETWORK_SIDE = 8192
MAX_FILE_BYTES = 2**30
MAX_BUNDLE_BYTES = 2**31
MAX_FILES = 1000
GOLDEN_SLACK = 0.01
"""How much the Dice on golden slices may differ between machines."""


PARITY_REPORT = "parity.json"

REFERENCE_TARGET = "reference"
"""The artefact that the torch runtime reads: the checkpoint's own weights, for parity and not for deployment."""


@dataclass(frozen=True)
class FileRecord:
    """A file of the bundle: its SHA-256 in hex and its size."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class CheckpointRecord:
    """Where the weights come from: the file, and its training record or None."""

    name: str
    sha256: str
    training: TrainingRecord | None = None


@dataclass(frozen=True)
class NetworkRecord:
    """What the weights are.

    Attributes:
        name: a preset's, "custom" for a MiniSeg of another shape, or the registered name of another network.
        in_channels: of the network's input.
        classes: of its output; class 0 is background.
        parameters: without MiniSeg's training heads.
        architecture: a MiniSeg's; None for another network.
    """

    name: str
    in_channels: int
    classes: int
    parameters: int
    architecture: Architecture | None = None

    def __post_init__(self) -> None:
        if not (1 <= self.in_channels <= MAX_CHANNELS and 2 <= self.classes <= MAX_CLASSES):
            raise ValueError(f"1..{MAX_CHANNELS} channels and 2..{MAX_CLASSES} classes")
        shape = self.architecture
        if shape is not None and (shape.in_channels, shape.classes) != (self.in_channels, self.classes):
            raise ValueError(f"{shape.in_channels} channels and {shape.classes} classes, as its architecture says")


@dataclass(frozen=True)
class Preprocessing:
    """How a slice becomes the network's input.

    Attributes:
        scale: the grey value that maps to 1.0 on the scale of the statistics.
        statistics: mean and std on the 0..1 scale; applied inside the artefacts.
        statistics_source: "command line" or "checkpoint".
        size: (height, width) of the network's input in pixels.
        resize: how other slices are resized to it, and logit maps back.
        window: HU window for `segment_hu`, or None.
    """

    scale: float
    statistics: Statistics
    statistics_source: str
    size: tuple[int, int]
    resize: str
    window: Window | None

    def __post_init__(self) -> None:
        if self.scale != GREY_MAX or self.resize != "opencv-bilinear":
            raise ValueError(f"scale {GREY_MAX:g} and resize opencv-bilinear")
        if not all(1 <= side <= MAX_NETWORK_SIDE for side in self.size):
            raise ValueError(f"a size of 1..{MAX_NETWORK_SIDE} pixels a side")


@dataclass(frozen=True)
class FormTiming:
    """One form of the graph, timed on the exporting machine, with one value per round.

    Attributes:
        form: its name.
        p50_ms: median latency of inference.
        processor_ms: processor time of an inference, summed over all threads.
    """

    form: str
    p50_ms: tuple[float, ...]
    processor_ms: tuple[float, ...]


@dataclass(frozen=True)
class PrecisionShare:
    """What part of a compiled artefact ran in one precision on the exporting machine.

    Attributes:
        precision: `int8`, `bf16`, `fp32`, ... or `other` (integers that address, for example).
        operators: of the compiled model that were executed.
        convolutions: how many of them are convolutions.
        time_share: of their summed time, 0..1.
    """

    precision: str
    operators: int
    convolutions: int
    time_share: float


@dataclass(frozen=True)
class Quantization:
    """What an INT8 artefact was calibrated on.

    Attributes:
        plan: path of the plan in the bundle; `miniseg-export --quantization` replays it.
        groups: of convolutions that are quantized.
        calibration: SHA-256 of each slice's size and values, sorted.
        faster: whether it was faster than FP32 by more than noise on the machine of the search; None if not measured.
    """

    plan: str
    groups: tuple[str, ...]
    calibration: tuple[str, ...]
    faster: bool | None = None


@dataclass(frozen=True)
class Artifact:
    """A built artefact: model files in the order in which its runtime expects them, and its results.

    Attributes:
        target: `onnx`, `openvino`, ... or `reference`.
        precision: `fp32`, ...
        files: relative paths.
        nodes: operators in the graph, 0 if that is meaningless.
        form: which of the equivalent forms of the graph, or "as trained".
        tuning: the measurements of `--tune`; empty without it.
        macs: multiplications by non-zero weights for one slice of the bundle's size; 0 if not counted.
        shares: what ran in which precision, for runtimes that report it, in descending order of time.
        quantization: of INT8, or None.
        compiled: how and for which machine it was compiled, or None.
        operators: the operators of its model, or of the ONNX that an engine is built from; sorted, without duplicates.
    """

    target: str
    precision: str
    files: tuple[str, ...]
    nodes: int
    form: str
    tuning: tuple[FormTiming, ...] = ()
    macs: int = 0
    shares: tuple[PrecisionShare, ...] = ()
    quantization: Quantization | None = None
    compiled: Compiled | None = None
    operators: tuple[str, ...] = ()


@dataclass(frozen=True)
class PrecisionTiming:
    """A precision on the exporting machine; `p50_ms` and `processor_ms` as in `FormTiming`."""

    precision: str
    p50_ms: tuple[float, ...]
    processor_ms: tuple[float, ...]


@dataclass(frozen=True)
class PrecisionChoice:
    """Why `--precision auto` chose this artefact.

    Attributes:
        target, precision: the artefact.
        reason: a sentence, which includes the alternatives that were rejected.
        machine: where it was measured.
        timings: of all artefacts that passed parity.
    """

    target: str
    precision: str
    reason: str
    machine: str
    timings: tuple[PrecisionTiming, ...]


@dataclass(frozen=True)
class GoldenSlice:
    """A slice (PNG) and the reference's logit maps (C - 1, H, W) float32 (.npy) that each artefact must reproduce."""

    name: str
    image: str
    logit: str


@dataclass(frozen=True)
class ParityVerdict:
    """One line of the parity report; `report` has the details.

    `golden_dice` is the worst Dice with the reference on the golden slices. These are phantoms: an artefact that was
    calibrated on real slices may segment them less well than the slices on which it was judged.
    """

    target: str
    precision: str
    passed: bool
    slices: int
    max_logit_difference: float | None
    near_ties: int
    real_flips: int
    dice_mean: float
    dice_worst: float
    limits: ParityLimits
    golden_dice: float = 1.0


@dataclass(frozen=True)
class ParityRecord:
    """Verdicts of all targets that were tried, the report's path in the bundle, and the limits of the parity check."""

    report: str
    validation: str
    verdicts: tuple[ParityVerdict, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """The whole manifest.

    `digest` is the SHA-256 of everything else in the manifest, and identifies the bundle. `origin` is the SHA-256 of
    what its artefacts are made from and of their preprocessing. Each artefact carries it, so that a model file can be
    traced back to its bundle.
    """

    schema_version: int
    digest: str
    origin: str
    created: str
    checkpoint: CheckpointRecord
    network: NetworkRecord
    preprocessing: Preprocessing
    interface: GraphInterface
    input: TensorSpec
    output: TensorSpec
    artifacts: tuple[Artifact, ...]
    golden: tuple[GoldenSlice, ...]
    parity: ParityRecord
    tools: Mapping[str, str]
    files: Mapping[str, FileRecord]
    choices: tuple[PrecisionChoice, ...] = ()

    def artifact(self, target: str, precision: str | None = None) -> Artifact | None:
        """The artefact of a target and precision, or None. Without a precision, FP32 is preferred."""
        found = [a for a in self.artifacts if a.target == target and precision in (None, a.precision)]
        return min(found, key=lambda a: a.precision != "fp32", default=None)

    def limits(self, artifact: Artifact) -> ParityLimits:
        """The limits for the artefact on the golden slices; the defaults for the reference.

        These are the limits of the export, or the results of the export if the golden slices were already segmented
        less well then.
        """
        wanted = (artifact.target, artifact.precision)
        verdict = next((v for v in self.parity.verdicts if (v.target, v.precision) == wanted), None)
        if verdict is None:
            return ParityLimits()
        if verdict.golden_dice >= max(verdict.limits.min_dice_mean, verdict.limits.min_dice_worst):
            return verdict.limits
        reached = verdict.golden_dice - GOLDEN_SLACK
        return replace(verdict.limits, min_dice_mean=reached, min_dice_worst=reached, tiny_lesion=0)


def origin_of(manifest: Manifest) -> str:
    """Computes the manifest's `origin`: checkpoint, network, preprocessing and interface."""
    parts = (manifest.checkpoint, manifest.network, manifest.preprocessing, manifest.interface)
    return _canonical_sha256([json.loads(json_from_record(part)) for part in parts])


def sealed(manifest: Manifest) -> Manifest:
    """The same manifest with origin and digest filled in, as a reader will see it: JSON turns 1 into 1.0."""
    found = record_from_object(Manifest, json.loads(json_from_record(manifest)), MANIFEST_NAME)
    found = replace(found, origin=origin_of(found))
    return replace(found, digest=_digest(json.loads(json_from_record(found))))


def manifest_from_json(data: bytes) -> Manifest:
    """Parses and checks a manifest: schema, paths, digest, then every field.

    Raises:
        IncompatibleError: the schema version is not supported.
        PathEscapeError: a file name leaves the bundle.
        IntegrityError: the content does not match its digest.
        BundleError: any other error.
    """
    found = object_from_json(data, MANIFEST_NAME)
    version = found.get("schema_version")
    if version != SCHEMA_VERSION:
        raise IncompatibleError(
            "the bundle has an unsupported schema", expected=f"schema_version {SCHEMA_VERSION}", got=repr(version)[:80],
            remedy="Export the checkpoint again with this version, or install the version that made the bundle.",
        )  # fmt: skip
    files = found.get("files")
    for name in files if isinstance(files, dict) else ():
        check_name(name)
    if alike := same_elsewhere(files if isinstance(files, dict) else ()):
        raise PathEscapeError(
            "the manifest names files that are the same on Windows and macOS",
            expected="names that differ in more than case",
            got=", ".join(alike)[:200],
        )
    if found.get("digest") != _digest(found):
        raise IntegrityError(
            f"{MANIFEST_NAME} was changed after the export",
            expected=_digest(found),
            got=str(found.get("digest"))[:80],
            remedy="Copy the bundle again from where it was made; its files must not be edited.",
        )
    try:
        manifest = record_from_object(Manifest, found, MANIFEST_NAME)
    except BundleError:
        raise
    except MiniSegError as error:  # invalid statistics or an invalid window
        raise BundleError(f"{MANIFEST_NAME}: {error.problem}", **error.details) from error
    _check_references(manifest)
    return manifest


def check_name(name: str) -> None:
    """Refuses a file name that is not a plain relative path within the bundle. Raises: PathEscapeError."""
    if len(name) > 200 or not all(map(is_portable, name.split("/"))):
        raise PathEscapeError(
            "the manifest names a file outside the bundle",
            expected="a plain relative path with forward slashes, of names that every system has",
            got=repr(name[:200]),
        )


def _digest(manifest: Mapping[str, object]) -> str:
    return _canonical_sha256({key: value for key, value in manifest.items() if key != "digest"})


def _canonical_sha256(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _check_references(manifest: Manifest) -> None:
    """Every file that the manifest refers to must be listed, and the sizes must be plausible."""
    named = [*(f for a in manifest.artifacts for f in a.files), manifest.parity.report]
    named += [a.quantization.plan for a in manifest.artifacts if a.quantization is not None]
    named += [path for golden in manifest.golden for path in (golden.image, golden.logit)]
    named += [path for a in manifest.artifacts if a.compiled is not None for path in a.compiled.sources]
    if not manifest.golden:
        raise BundleError(f"{MANIFEST_NAME} names no golden slices", expected="at least one", got="none")
    if not all(artifact.files for artifact in manifest.artifacts):
        raise BundleError(f"{MANIFEST_NAME} has an artefact without files", expected="at least one", got="none")
    unlisted = sorted(set(named) - manifest.files.keys())
    if unlisted:
        raise BundleError(f"{MANIFEST_NAME} refers to files that it does not list", got=", ".join(unlisted))
    if len(manifest.files) > MAX_FILES or any(not 0 <= f.bytes <= MAX_FILE_BYTES for f in manifest.files.values()):
        raise BundleError(
            f"{MANIFEST_NAME} lists too many bytes", expected=f"at most {MAX_FILES} files of {MAX_FILE_BYTES} bytes"
        )
    if (total := sum(f.bytes for f in manifest.files.values())) > MAX_BUNDLE_BYTES:
        raise BundleError(
            f"{MANIFEST_NAME} lists too many bytes", expected=f"at most {MAX_BUNDLE_BYTES} bytes in all", got=f"{total}"
        )
    _check_interface(manifest)


def _check_interface(manifest: Manifest) -> None:
    """Input, output, window and origin are stated twice, for readers without our code. The two must agree."""
    interface, size = manifest.interface, manifest.preprocessing.size
    network = manifest.network
    wanted = interface.input(size), interface.output(size, network.classes)
    for spec, found in zip(wanted, (manifest.input, manifest.output), strict=True):
        if (spec.name, spec.shape, spec.dtype) != (found.name, found.shape, found.dtype):
            raise BundleError(
                f"{MANIFEST_NAME} contradicts itself", expected=f"{spec.name} {spec}", got=f"{found.name} {found}"
            )
    if interface.channels not in (1, network.in_channels):
        got = f"{interface.channels} channels"
        raise BundleError(
            f"{MANIFEST_NAME} contradicts itself", expected=f"1 or {network.in_channels} channels", got=got
        )
    if interface.values == HU and manifest.preprocessing.window is None:
        raise BundleError(
            f"{MANIFEST_NAME} contradicts itself", expected="a window for a graph that takes HU", got="none"
        )
    if manifest.origin != origin_of(manifest):
        raise BundleError(
            f"{MANIFEST_NAME} contradicts itself", expected=f"origin {origin_of(manifest)}", got=manifest.origin[:80]
        )
