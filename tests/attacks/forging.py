"""Bundles as whoever makes one can make them: every hash right, the content hostile."""

from collections.abc import Mapping
from dataclasses import replace

from miniseg_edge.bundle import Bundle, file_records
from miniseg_edge.manifest import sealed


def forged(bundle: Bundle, contents: Mapping[str, bytes]) -> Bundle:
    """The bundle with other bytes in some of its files, and the manifest that belongs to them."""
    changed = {**bundle.contents, **contents}
    return replace(bundle, contents=changed, manifest=sealed(replace(bundle.manifest, files=file_records(changed))))
