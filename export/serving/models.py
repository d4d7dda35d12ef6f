"""A server's name for an artefact, and the places of its files: byte-for-byte copies of the artefact's own."""

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.export.serving.options import LAYOUTS
from miniseg_edge.export.targets import ServedAs, targets

VERSION = "1"
"""Servers keep versions of a model as numbered folders; a new bundle is a new folder on the server, not here."""


def model_name(artifact: Artifact) -> str:
    """The name that clients use: `miniseg-onnx`, `miniseg-openvino-bf16`, ..."""
    precision = "" if artifact.precision == "fp32" else f"-{artifact.precision}"
    return f"miniseg-{artifact.target}{precision}"


def served_as(layout: str, artifact: Artifact) -> ServedAs | None:
    """How a server serves an artefact, or None if it cannot."""
    target = targets().get(artifact.target)
    return None if target is None else target.servers.get(layout)


def served_copies(layout: str, artifact: Artifact) -> dict[str, str]:
    """Path in the layout -> path of the artefact's file; empty if that server cannot serve it."""
    if (served := served_as(layout, artifact)) is None:
        return {}
    folder = f"{layout}/{model_name(artifact)}/{VERSION}"
    return {f"{folder}/{name}": source for name, source in zip(served.file_names, artifact.files, strict=False)}


def layouts_of(artifact: Artifact) -> dict[str, str]:
    """`served_copies` of every server."""
    return {path: source for layout in LAYOUTS for path, source in served_copies(layout, artifact).items()}


def served_models(layout: str, bundle: Bundle) -> list[str]:
    """A server's models in the bundle, by name; empty without that layout."""
    artifacts = bundle.manifest.artifacts
    return [model_name(a) for a in artifacts if any(path in bundle.contents for path in served_copies(layout, a))]
