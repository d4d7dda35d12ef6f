"""What a server calls an artefact, and where its files lie for it: copies of the artefact's own, byte for byte."""

from miniseg_edge.bundle import Bundle
from miniseg_edge.export.serving.options import OVMS, SERVED, TRITON
from miniseg_edge.manifest import Artifact

VERSION = "1"
"""Servers keep versions of a model as numbered folders; a new bundle is a new folder on the server, not here."""

_FILE_NAMES = {"onnx": ("model.onnx",), "openvino": ("model.xml", "model.bin"), "trt": ("model.plan",)}
"""As each server's backend looks for them, in the order of the artefact's files."""


def model_name(artifact: Artifact) -> str:
    """What clients ask for: `miniseg-onnx`, `miniseg-openvino-bf16`, ..."""
    precision = "" if artifact.precision == "fp32" else f"-{artifact.precision}"
    return f"miniseg-{artifact.target}{precision}"


def served_copies(layout: str, artifact: Artifact) -> dict[str, str]:
    """Path in the layout -> path of the artefact's file; empty if that server does not take it."""
    if artifact.target not in SERVED[layout]:
        return {}
    names = _FILE_NAMES[artifact.target]
    folder = f"{layout}/{model_name(artifact)}/{VERSION}"
    return {f"{folder}/{name}": source for name, source in zip(names, artifact.files, strict=False)}


def layouts_of(artifact: Artifact) -> dict[str, str]:
    """`served_copies` of every server."""
    return served_copies(TRITON, artifact) | served_copies(OVMS, artifact)


def served_models(layout: str, bundle: Bundle) -> list[str]:
    """What a server finds in the bundle, by name; empty without that layout."""
    artifacts = bundle.manifest.artifacts
    return [model_name(a) for a in artifacts if any(path in bundle.contents for path in served_copies(layout, a))]
