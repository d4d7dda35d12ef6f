"""A workstation's app in small: `app BUNDLE SLICES.npz MASKS.npz` segments every slice and says what ran it."""

import json
import sys

import numpy as np

import miniseg_edge
from miniseg_edge.host.children import python_command
from miniseg_edge.host.dependencies import versions
from miniseg_edge.runtimes.backends.registry import registry


def refusal_of_children() -> str:
    try:
        python_command("miniseg_edge.console")
    except miniseg_edge.MiniSegError as error:
        return error.code
    return ""


def main() -> None:
    bundle, slices, masks = sys.argv[1:]
    with miniseg_edge.load(bundle) as segmenter:
        results = {name: segmenter.segment(slice_) for name, slice_ in np.load(slices).items()}
    np.savez(masks, **{name: result.mask for name, result in results.items()})  # type: ignore[arg-type]
    opened = miniseg_edge.open_bundle(bundle)
    obstacles = {row.name: row.obstacle(opened) for row in registry()}
    ran = sorted({result.runtime for result in results.values()})
    sys.stdout.write(
        json.dumps({"ran": ran, "versions": versions(), "obstacles": obstacles, "children": refusal_of_children()})
    )


if __name__ == "__main__":
    main()
