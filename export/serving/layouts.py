"""The layouts of a bundle's servers, as files of the bundle: hashed, signed and replaced with it.

They are made from what passed parity, after it did, so nothing else can be in them.
"""

from collections.abc import Mapping
from dataclasses import replace

from miniseg_edge.bundle.bundle import Bundle, file_records
from miniseg_edge.bundle.manifest import REFERENCE_TARGET, Artifact, Manifest
from miniseg_edge.console import terminal
from miniseg_edge.export.serving.models import layouts_of, model_name, served_copies
from miniseg_edge.export.serving.options import OVMS, Serving
from miniseg_edge.export.serving.ovms import ovms_config
from miniseg_edge.export.serving.triton import triton_config


def with_layouts(bundle: Bundle, serving: Serving | None) -> Bundle:
    """The bundle with the requested layouts; its manifest lists their files and must be sealed again."""
    if serving is None:
        return bundle
    contents = dict(bundle.contents)
    for layout in serving.layouts:
        contents |= _layout_files(layout, bundle.manifest, bundle.contents, serving)
    return replace(bundle, contents=contents, manifest=replace(bundle.manifest, files=file_records(contents)))


def with_fresh_copies(contents: Mapping[str, bytes], artifact: Artifact) -> dict[str, bytes]:
    """The files with the servers' copies of an artefact updated, if there were any."""
    fresh = {path: contents[source] for path, source in layouts_of(artifact).items() if path in contents}
    return {**contents, **fresh}


def _layout_files(layout: str, manifest: Manifest, contents: Mapping[str, bytes], serving: Serving) -> dict[str, bytes]:
    artifacts = [artifact for artifact in manifest.artifacts if served_copies(layout, artifact)]
    for artifact in manifest.artifacts:
        if artifact not in artifacts and artifact.target != REFERENCE_TARGET:
            terminal.say(f"{layout} does not serve {artifact.target} {artifact.precision}")
    if not artifacts:  # what it would have served failed parity
        return {}
    if layout == OVMS:
        files = dict([ovms_config(artifacts, serving)])
    else:
        files = dict(triton_config(manifest, artifact, serving) for artifact in artifacts)
        _warn_of_precision(artifacts)
    copies = {path: contents[source] for a in artifacts for path, source in served_copies(layout, a).items()}
    return files | copies


def _warn_of_precision(artifacts: list[Artifact]) -> None:
    if any((artifact.target, artifact.precision) == ("openvino", "fp32") for artifact in artifacts):
        terminal.warn(
            f"Triton's OpenVINO backend cannot be held to FP32: a CPU that has BF16 runs "
            f"{next(model_name(a) for a in artifacts if a.target == 'openvino')} in BF16, which parity did not judge. "
            "Serve miniseg-onnx there, or ask the golden slices (docs/model-servers.md)."
        )
