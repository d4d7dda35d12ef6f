"""`miniseg-export --rebuild`: builds a bundle's engines again on the machine that will run them.

A rebuilt engine is a new artefact: it only replaces the old one after it reproduced the reference's lesion on the
golden slices. Needs the vendor's package and a GPU; no torch, no onnx.
"""

from dataclasses import replace
from pathlib import Path

from miniseg_edge.bundle.bundle import Bundle, check_destination, file_records, open_bundle, write_bundle
from miniseg_edge.bundle.compiled import ARTEFACT
from miniseg_edge.bundle.manifest import Artifact, sealed
from miniseg_edge.bundle.parity_summary import summary
from miniseg_edge.bundle.signature import SIGNATURE_NAME, Signer
from miniseg_edge.console import terminal
from miniseg_edge.errors import MissingDependencyError, UsageError
from miniseg_edge.export.build import Build
from miniseg_edge.export.serving.layouts import with_fresh_copies
from miniseg_edge.export.targets import targets
from miniseg_edge.export.tensorrt.engine_files import engine_files
from miniseg_edge.export.tensorrt.options import EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.host.dependencies import installed
from miniseg_edge.parity.comparison import TargetParity
from miniseg_edge.runtimes.backends.cuda.gpus import Gpu, gpu_named, gpus
from miniseg_edge.runtimes.backends.registry import reader_of
from miniseg_edge.runtimes.backends.replay import replay
from miniseg_edge.runtimes.backends.tensorrt.admission import check_served
from miniseg_edge.runtimes.backends.tensorrt.engine_record import EngineRecord, engine_of, engine_record
from miniseg_edge.runtimes.backends.tensorrt.vendors import vendor_of
from miniseg_edge.runtimes.segmenter.loading import load


def rebuild(
    path: Path,
    target: str | None = None,
    *,
    device: str = "",
    signer: Signer | None = None,
    trust: Path | None = None,
) -> Bundle:
    """Rebuilds every engine whose vendor is installed, and replaces the bundle.

    Args:
        path: of the bundle.
        target: builds this target's engines in addition to the existing ones, from the same ONNX; by default rebuilds
            each engine.
        device: the GPU to build on and for, such as `cuda:1`; "" is the first.
        signer: signs the new bundle, which is unsigned without it, even if the old one was signed.
        trust: public key with which the old one must be signed.

    Raises:
        BundleError and its subclasses: see `open_bundle`.
        UsageError: the bundle has no engine to build from.
        MissingDependencyError: no engine vendor is installed here.
        RuntimeUnavailableError: there is no GPU, or not this one.
        IncompatibleError: the vendor does not support it. ExportError, ParityError and their subclasses: an engine
            could not be built, or segments another lesion; nothing was changed.
        OutputError: nothing was changed.
    """
    bundle = open_bundle(path, trust=trust)
    check_destination(path, overwrite=True)
    if signer is None and (path / SIGNATURE_NAME).exists():
        terminal.warn(f"{path} is signed; rebuilt without --sign KEY it will not be")
    sources = _sources(bundle, target)
    here = [(source, wanted) for source, wanted in sources if is_installed(wanted)]
    if not here:
        targets = ", ".join(sorted({wanted for _, wanted in sources}))
        raise MissingDependencyError(
            "no engine vendor is installed", remedy="Install one: docs/tensorrt.md.", got=targets
        )
    gpu = gpu_named(device) if device else gpus()[0]
    for vendor in filter(None, (vendor_of(wanted) for _, wanted in here)):
        check_served(vendor, gpu)
    for source, wanted in here:
        name = f"{wanted} {source.precision}"
        with terminal.step(f"{name} for {gpu.name}") as tell:
            candidate = rebuilt(bundle, source, wanted, tell, gpu.device)
        with terminal.step(f"{name} on the golden slices; kernels are compiled first"):
            bundle = _judged(candidate, wanted, source.precision, gpu)
    bundle = replace(bundle, manifest=sealed(replace(bundle.manifest, files=file_records(bundle.contents))))
    write_bundle(bundle, path, overwrite=True, signer=signer)
    return bundle


def is_installed(target: str) -> bool:
    """Whether the vendor of an engine's target can be imported here."""
    vendor = vendor_of(target)
    return vendor is not None and any(installed(name) for name in vendor.modules)


def rebuilt(bundle: Bundle, source: Artifact, target: str, tell: Tell, device: str = "") -> Bundle:
    """The bundle with a target's engine built from a source's ONNX, in memory, before it is judged.

    The source is replaced if it belongs to the same target; its options are reused as far as they concern the network.

    Raises:
        MissingDependencyError, RuntimeUnavailableError, ExportError: see `engine_files`.
    """
    vendor, record = vendor_of(target), engine_of(source)
    assert vendor is not None  # noqa: S101  the caller has looked
    same = source.target == target
    built = engine_files(
        vendor,
        bundle.contents[record.onnx],
        bundle.manifest,
        Build(target, source.precision),
        quantized=record.quantized,
        options=replace(options_of(record) if same else EngineOptions(tf32=record.tf32), device=device),
        tell=tell,
        timing_cache=bundle.contents[record.timing_cache] if same and record.timing_cache is not None else b"",
    )
    kept = {name: data for name, data in bundle.contents.items() if not (same and name in source.files)}
    new = replace(source, target=target, files=tuple(built.files), compiled=built.record.compiled())
    manifest = bundle.manifest
    others = tuple(a for a in manifest.artifacts if (a.target, a.precision) != (target, source.precision))
    verdicts = manifest.parity.verdicts
    if not any((v.target, v.precision) == (target, source.precision) for v in verdicts):  # with the source's limits
        limits = next(v for v in verdicts if (v.target, v.precision) == (source.target, source.precision))
        verdicts = (*verdicts, replace(limits, target=target))
    changed = replace(manifest, artifacts=(*others, new), parity=replace(manifest.parity, verdicts=verdicts))
    return replace(bundle, manifest=changed, contents=with_fresh_copies({**kept, **built.files}, new))


def options_of(record: EngineRecord) -> EngineOptions:
    """The options that an engine was built with."""
    ahead = not record.hardware_compatibility  # otherwise its compute capability is that of the GPU it was built on
    return EngineOptions(
        compute_capabilities=tuple(int(n.replace(".", "")) for n in record.compute_capabilities) if ahead else (),
        workspace_mib=record.workspace_bytes // 2**20 or None,
        tf32=record.tf32,
        version_compatible="VERSION_COMPATIBLE" in record.flags,
        hardware_compatible=record.hardware_compatibility == "AMPERE_PLUS",
    )


def _sources(bundle: Bundle, target: str | None) -> list[tuple[Artifact, str]]:
    """What to build from, and for which target. Raises: UsageError."""
    engines = [artifact for artifact in bundle.manifest.artifacts if engine_record(artifact) is not None]
    own = [artifact for artifact in engines if target in (None, artifact.target)]
    taken = {artifact.precision for artifact in own}
    others = (artifact for artifact in engines if artifact not in own and artifact.precision not in taken)
    able = {name: row.precisions for name, row in targets().items()}
    found = [*own, *(artifact for artifact in others if artifact.precision in able[target or artifact.target])]
    if not found:
        raise UsageError(
            "there is nothing to rebuild",
            expected="a bundle with an engine in a precision that the target has",
            got="none",
        )
    return [(artifact, target or artifact.target) for artifact in found]


def _judged(bundle: Bundle, target: str, precision: str, gpu: Gpu) -> Bundle:
    """Adds the record of where and how it was judged. Raises: ParityError, InferenceError and its subclasses."""
    manifest, runtime = bundle.manifest, reader_of(target).name
    with load(bundle, runtime, gpu.device, precision=precision) as segmenter:
        artifact = segmenter.choice.artifact
        slices = replay(segmenter.runtime, bundle)
    limits = manifest.limits(artifact)
    verdict = summary(TargetParity(target, precision, runtime, limits, (), None, None, slices))
    others = [v for v in manifest.parity.verdicts if (v.target, v.precision) != (target, precision)]
    record = replace(
        engine_of(artifact), judged_on=ARTEFACT, gpu=gpu.name, driver=gpu.driver, driver_version=gpu.driver_version,
        multiprocessors=gpu.multiprocessors, memory_bytes=gpu.memory_bytes,
    )  # fmt: skip
    judged = replace(artifact, compiled=record.compiled())
    changed = replace(
        manifest,
        artifacts=tuple(judged if a is artifact else a for a in manifest.artifacts),
        parity=replace(manifest.parity, verdicts=(*others, verdict)),
    )
    return replace(bundle, manifest=changed)
