"""Bundles as an attacker can make them: every hash right, the content hostile."""

from collections.abc import Mapping
from dataclasses import replace

from miniseg_edge.admission.models import operators_of
from miniseg_edge.bundle.bundle import Bundle, file_records
from miniseg_edge.bundle.manifest import sealed


def forged(bundle: Bundle, contents: Mapping[str, bytes]) -> Bundle:
    """The bundle with other bytes in some of its files, and the manifest that belongs to them."""
    changed = {**bundle.contents, **contents}
    return replace(bundle, contents=changed, manifest=sealed(replace(bundle.manifest, files=file_records(changed))))


def recorded(bundle: Bundle, target: str) -> Bundle:
    """The bundle whose manifest records what a target's models are made of now."""
    artifacts = tuple(
        artifact
        if artifact.target != target
        else replace(artifact, operators=operators_of({name: bundle.contents[name] for name in artifact.files}))
        for artifact in bundle.manifest.artifacts
    )
    return replace(bundle, manifest=replace(bundle.manifest, artifacts=artifacts))
