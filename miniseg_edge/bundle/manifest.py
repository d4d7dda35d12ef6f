"""`manifest.json`: what a bundle says about itself. `docs/bundle.md` describes each field."""

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
"""By how much the Dice on golden slices may differ from one machine to the next."""


PARITY_REPORT = "parity.json"

REFERENCE_TARGET = "reference"
"""The artefact that the torch runtime reads: the checkpoint's own weights, for parity, not for deployment."""


@dataclass(frozen=True)
class FileRecord:
    """A file of the bundle: its SHA-256 in hex and its size."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class CheckpointRecord:
    """Where the weights come from: file, and what it says of its training, or None."""

    name: str
    sha256: str
    training: TrainingRecord | None = None


@dataclass(frozen=True)
class NetworkRecord:
    """What the weights are.

    Attributes:
        name: a preset's, "custom" for a MiniSeg of another shape, or the name that another network is registered by.
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
        scale: grey value that is 1.0 on the statistics' scale.
        statistics: mean and std on the 0..1 scale; applied inside the artefacts.
        statistics_source: "command line" or "checkpoint".
        size: (height, width) of the network's input in pixels.
        resize: how other slices get there, and logit maps back.
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
    """A form of the graph on the machine that exported it, one value a turn.

    Attributes:
        form: its name.
        p50_ms: median latency of inference.
        processor_ms: processor time of an inference, all threads together.
    """

    form: str
    p50_ms: tuple[float, ...]
    processor_ms: tuple[float, ...]


@dataclass(frozen=True)
class PrecisionShare:
    """What of a compiled artefact really ran in one precision, on the machine that exported it.

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
    """What an INT8 artefact was fitted to.

    Attributes:
        plan: path of the plan in the bundle; `miniseg-export --quantization` replays it.
        groups: of convolutions that are quantized.
        calibration: SHA-256 of each slice's size and values, sorted.
        faster: whether it was faster than FP32, by more than noise, on the machine that it was searched on; None if
            nothing was measured.
    """

    plan: str
    groups: tuple[str, ...]
    calibration: tuple[str, ...]
    faster: bool | None = None


@dataclass(frozen=True)
class Artifact:
    """What `--target` built: model files in the order in which its runtime wants them, and how it fared.

    Attributes:
        target: `onnx`, `openvino`, ... or `reference`.
        precision: `fp32`, ...
        files: relative paths.
        nodes: operators in the graph, 0 where that means nothing.
        form: which of the equal ways of writing the graph, or "as trained".
        tuning: what `--tune` measured; empty without it.
        macs: multiplications by weights other than 0 for one slice of the bundle's size; 0 where nobody counted.
        shares: what ran in which precision, for runtimes that tell, the one with most time first.
        quantization: of INT8, or None.
        compiled: how it was compiled and what for, if it was.
        operators: what its model, or the ONNX that an engine is built from, is made of; sorted, each once.
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
    """A precision on the machine that exported it; `p50_ms` and `processor_ms` as in `FormTiming`."""

    precision: str
    p50_ms: tuple[float, ...]
    processor_ms: tuple[float, ...]


@dataclass(frozen=True)
class PrecisionChoice:
    """Why `--precision auto` kept what it kept.

    Attributes:
        target, precision: the artefact.
        reason: in words, those that were passed over included.
        machine: where it was measured.
        timings: of all that passed parity.
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
    """One line of the parity report; the whole is in `report`.

    `golden_dice` is the worst Dice with the reference on the golden slices. They are phantoms: an artefact that was
    fitted to real slices may draw them less well than what it was judged on.
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
    """Verdicts of all targets that were tried, the report's path in the bundle, and what parity cannot tell."""

    report: str
    validation: str
    verdicts: tuple[ParityVerdict, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """The whole manifest.

    `digest` is the SHA-256 of everything else in it, and so names this bundle. `origin` is the SHA-256 of what its
    artefacts are made from and how they are fed; each artefact carries it, so that a model file found alone still
    leads here.
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
        """The artefact of a target and precision, or None; without a precision FP32 goes before others."""
        found = [a for a in self.artifacts if a.target == target and precision in (None, a.precision)]
        return min(found, key=lambda a: a.precision != "fp32", default=None)

    def limits(self, artifact: Artifact) -> ParityLimits:
        """What the artefact is held to on the golden slices; the defaults for the reference.

        That is what it was held to at export, or, where it already drew the golden slices less well then, as well as it
        did.
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
    """The manifest's `origin`, worked out: checkpoint, network, preprocessing and interface."""
    parts = (manifest.checkpoint, manifest.network, manifest.preprocessing, manifest.interface)
    return _canonical_sha256([json.loads(json_from_record(part)) for part in parts])


def sealed(manifest: Manifest) -> Manifest:
    """The same manifest with its origin and its digest filled in, of what a reader will find: JSON makes 1.0 of 1."""
    found = record_from_object(Manifest, json.loads(json_from_record(manifest)), MANIFEST_NAME)
    found = replace(found, origin=origin_of(found))
    return replace(found, digest=_digest(json.loads(json_from_record(found))))


def manifest_from_json(data: bytes) -> Manifest:
    """Parses and checks a manifest: schema, paths, digest, then every field.

    Raises:
        IncompatibleError: another schema version.
        PathEscapeError: a file name that leaves the bundle.
        IntegrityError: the content does not match its digest.
        BundleError: anything else that is wrong.
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
    except MiniSegError as error:  # statistics or a window that make no sense
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
    """Whatever the manifest points at must be a file that it lists, and the sizes must be sane."""
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
    """Input, output, window and origin are said twice, for readers without our code; the two must agree."""
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
