"""Puts libminiseg, a bundle's plan and the page into one HTML file, which needs no network and no installation.

    python examples/browser/make_page.py bundle build/wasm/miniseg.wasm segment.html

Exit codes: 0 done, 1 error, 2 usage.
"""

import base64
import json
import sys
from pathlib import Path

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.errors import MiniSegError, RuntimeUnavailableError

HERE = Path(__file__).parent


def page(bundle_path: str, wasm: Path) -> str:
    """The page of a bundle whose hashes were checked. Raises: MiniSegError."""
    bundle = open_bundle(bundle_path)
    manifest = bundle.manifest
    plans = [artifact for artifact in manifest.artifacts if artifact.target == "native"]
    interface = manifest.interface
    if not plans or (manifest.network.classes, interface.channels, interface.values) != (2, 1, "grey"):
        raise RuntimeUnavailableError(
            "the page cannot run this bundle",
            expected="a native plan for two classes and one grey channel",
            got=f"{len(plans)} native plans, {manifest.network.classes} classes, "
            f"{interface.channels} x {interface.values}",
        )
    model = {
        "wasm": base64.b64encode(wasm.read_bytes()).decode(),
        "plan": base64.b64encode(bundle.contents[plans[0].files[0]]).decode(),
        "size": None if interface.dynamic_size else manifest.preprocessing.size,
        "digest": manifest.digest,
    }
    engine, html = ((HERE / name).read_text(encoding="utf-8") for name in ("miniseg.js", "page.html"))
    return html.replace("/*MINISEG*/", engine).replace("/*BUNDLE*/null", json.dumps(model))


def main(words: list[str]) -> int:
    """Writes the page."""
    if len(words) != 3:
        sys.stderr.write("usage: make_page.py BUNDLE MINISEG.WASM PAGE.HTML\n")
        return 2
    try:
        Path(words[2]).write_text(page(words[0], Path(words[1])), encoding="utf-8")
    except (MiniSegError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
