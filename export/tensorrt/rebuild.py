"""`miniseg-export --rebuild`: a bundle's engines, built again on the machine that will run them.

A rebuilt engine is a new artefact: it replaces the old one only after it drew the reference's lesion on the golden
slices. Needs the vendor's package and a GPU; no torch, no onnx.
"""

from dataclasses import replace
from pathlib import Path

from miniseg_edge import terminal
from miniseg_edge.bundle import Bundle, check_destination, file_records, open_bundle, write_bundle
from miniseg_edge.dependencies import installed
from miniseg_edge.engine_record import ENGINE, EngineRecord
from miniseg_edge.errors import MissingDependencyError, UsageError
from miniseg_edge.export.tensorrt.engine_files import engine_files
from miniseg_edge.export.tensorrt.options import EngineOptions
from miniseg_edge.export.tensorrt.progress import Tell
from miniseg_edge.manifest import Artifact, sealed
from miniseg_edge.runtimes.registry import REGISTRY
from miniseg_edge.runtimes.segmenter import load
from miniseg_edge.runtimes.tensorrt.machine import Gpu, gpus
from miniseg_edge.runtimes.tensorrt.replay import replay
from miniseg_edge.runtimes.tensorrt.vendors import Vendor, vendor_of


def rebuild(path: Path) -> Bundle:
    """Rebuilds every engine whose vendor is installed, and puts the bundle in the place of the old one.

    Raises:
        BundleError and its kin: see `open_bundle`.
        UsageError: the bundle has no engine.
        MissingDependencyError: no engine's vendor is installed here.
        RuntimeUnavailableError: there is no GPU.
        ExportError, ParityError and their kin: an engine could not be built, or draws another lesion; nothing changed.
        OutputError: nothing changed.
    """
    bundle = open_bundle(path)
    check_destination(path, overwrite=True)
    engines = [a for a in bundle.manifest.artifacts if a.engine is not None]
    if not engines:
        raise UsageError("nothing to rebuild", "a bundle with a target trt or trt-rtx", "none")
    here = [artifact for artifact in engines if _vendor(artifact) is not None]
    if not here:
        targets = ", ".join(sorted({artifact.target for artifact in engines}))
        raise MissingDependencyError("no engine's vendor is installed", "docs/tensorrt.md says how", targets)
    gpu = gpus()[0]
    for artifact in here:
        name = f"{artifact.target} {artifact.precision}"
        with terminal.step(f"{name} for {gpu.name}") as tell:
            candidate = rebuilt(bundle, artifact, tell)
        with terminal.step(f"{name} on the golden slices; kernels are compiled first"):
            bundle = _judged(candidate, artifact, gpu)
    bundle = replace(bundle, manifest=sealed(replace(bundle.manifest, files=file_records(bundle.contents))))
    write_bundle(bundle, path, overwrite=True)
    return bundle


def rebuilt(bundle: Bundle, artifact: Artifact, tell: Tell) -> Bundle:
    """The bundle with one engine built again as its record says, in memory, before anybody judged it.

    Raises:
        MissingDependencyError, RuntimeUnavailableError, ExportError: see `engine_files`.
    """
    vendor, record = _vendor(artifact), artifact.engine
    assert vendor is not None and record is not None  # noqa: S101, PT018  the caller has looked
    built = engine_files(
        vendor,
        bundle.contents[record.onnx],
        bundle.manifest,
        (record.onnx.rpartition("/")[0], artifact.precision),
        options=options_of(record),
        tell=tell,
        timing_cache=bundle.contents[record.timing_cache] if record.timing_cache is not None else b"",
    )
    kept = {name: data for name, data in bundle.contents.items() if name not in artifact.files}
    new = replace(artifact, files=tuple(built.files), engine=built.record)
    return replace(_with(bundle, artifact, new), contents={**kept, **built.files})


def options_of(record: EngineRecord) -> EngineOptions:
    """The options that an engine was built with."""
    ahead = not record.hardware_compatibility  # else its compute capability is that of the GPU it was built on
    return EngineOptions(
        compute_capabilities=tuple(int(n.replace(".", "")) for n in record.compute_capabilities) if ahead else (),
        workspace_mib=record.workspace_bytes // 2**20 or None,
        tf32=record.tf32,
        version_compatible="VERSION_COMPATIBLE" in record.flags,
        hardware_compatible=record.hardware_compatibility == "AMPERE_PLUS",
    )


def _judged(bundle: Bundle, old: Artifact, gpu: Gpu) -> Bundle:
    """The same with the record of where it was judged. Raises: ParityError, InferenceError and its kin."""
    artifact = next(a for a in bundle.manifest.artifacts if (a.target, a.precision) == (old.target, old.precision))
    assert artifact.engine is not None  # noqa: S101  it was just built
    runtime = next(entry.name for entry in REGISTRY if entry.target == artifact.target)
    with load(bundle, runtime, f"cuda:{gpu.index}", precision=artifact.precision) as segmenter:
        replay(segmenter.runtime, bundle)
    record = replace(artifact.engine, judged_on=ENGINE, gpu=gpu.name, driver=gpu.driver)
    return _with(bundle, artifact, replace(artifact, engine=record))


def _with(bundle: Bundle, old: Artifact, new: Artifact) -> Bundle:
    artifacts = tuple(new if artifact is old else artifact for artifact in bundle.manifest.artifacts)
    return replace(bundle, manifest=replace(bundle.manifest, artifacts=artifacts))


def _vendor(artifact: Artifact) -> Vendor | None:
    """An engine's vendor, if it is installed."""
    vendor = vendor_of(artifact.target)
    return vendor if vendor is not None and any(installed(name) for name in vendor.modules) else None
