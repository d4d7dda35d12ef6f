"""The page that segments in the browser: made of a bundle, opened from a file, fed with PNGs."""

import base64
import html
import importlib.util
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.native.binding import Model
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import png_from_pixels
from miniseg_edge.slices.preprocessing import resized
from tests.browser import browse, needs_chromium
from tests.examples import EXAMPLES, SIDE
from tests.native.programs.wasm import NODE, built_module, needs_node

pytestmark = pytest.mark.slow

NEAR_TIE = 1e-3

# Chooses each file as a reader would, and says what is seen then. The browser's clock is a virtual one, which does not
# wait for pictures: turns of the event loop do.
DRIVE = """
(async () => {
  const seen = [], turn = () => new Promise(done => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(0);
  });
  document.addEventListener("securitypolicyviolation", event => seen.push("refused: " + event.violatedDirective));
  for (const [name, png] of Object.entries(FILES)) {
    const chosen = new DataTransfer();
    chosen.items.add(new File([bytes(png)], name, { type: "image/png" }));
    [mask, at("file").files] = [null, chosen.files];
    at("file").dispatchEvent(new Event("change"));
    for (let i = 0; i < 300000 && at("file").disabled; i++) await turn();
    seen.push({
      name, said: at("said").textContent, error: at("said").className, save: !at("save").disabled,
      mask: mask && btoa(String.fromCharCode(...mask)), size: [at("seen").height, at("seen").width],
    });
  }
  document.title = JSON.stringify(seen);
})();
"""


def made_page(bundle: Path, module: Path, page: Path) -> int:
    spec = importlib.util.spec_from_file_location("make_page", EXAMPLES / "browser" / "make_page.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    code: int = loaded.main([str(bundle), str(module), str(page)])
    return code


def chosen(page: Path, files: dict[str, bytes], folder: Path) -> list[Any]:
    """What is seen after each file."""
    pngs = json.dumps({name: base64.b64encode(data).decode() for name, data in files.items()})
    driven = page.read_text(encoding="utf-8").replace("</html>", f"<script>{DRIVE.replace('FILES', pngs)}</script>")
    (folder / "driven.html").write_text(driven, encoding="utf-8")
    shown = browse(folder, "--dump-dom", "--virtual-time-budget=60000", (folder / "driven.html").as_uri())
    title = re.search(r"<title>(.*?)</title>", shown)
    assert title is not None
    return list(json.loads(html.unescape(title[1])))


@pytest.fixture
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_module(tmp_path_factory)


@needs_chromium
def test_the_page_draws_the_masks_of_the_package(module: Path, demo_bundle_path: Path, tmp_path: Path) -> None:
    slices = {f"{seed}.png": phantom(seed, size=(SIDE, SIDE)).image for seed in range(3)}
    slices["wide.png"] = phantom(4, size=(50, 90)).image
    assert made_page(demo_bundle_path, module, tmp_path / "page.html") == 0
    seen = chosen(tmp_path / "page.html", {n: png_from_pixels(s) for n, s in slices.items()}, tmp_path)
    plan = open_bundle(demo_bundle_path).contents["native/model.miniseg"]
    with miniseg_edge.load(demo_bundle_path, "native") as segmenter, Model(plan) as model:
        for one, (name, slice_) in zip(seen, slices.items(), strict=True):
            with model.context((SIDE, SIDE)) as context:
                logits = resized(context.logits(resized(slice_.astype(np.float32), (SIDE, SIDE)))[0], slice_.shape)
            mask = np.frombuffer(base64.b64decode(one["mask"]), np.uint8).reshape(slice_.shape) // 255
            assert (np.abs(logits[mask != segmenter.segment(slice_).mask]) < NEAR_TIE).all()
            assert 0 < mask.mean() < 1
            assert one["said"].startswith(f"{name}: {int(mask.sum())} pixels of lesion")
            assert (one["error"], one["save"], tuple(one["size"])) == ("", True, slice_.shape)


@needs_chromium
def test_the_page_refuses_what_is_no_grey_png_of_8_bits(module: Path, demo_bundle_path: Path, tmp_path: Path) -> None:
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[3, 3, 1] = 9
    files = {
        "deep.png": cv2.imencode(".png", np.zeros((8, 8), np.uint16))[1].tobytes(),
        "colour.png": cv2.imencode(".png", colour)[1].tobytes(),
        "clear.png": cv2.imencode(".png", np.zeros((8, 8, 4), np.uint8))[1].tobytes(),
        "photo.png": cv2.imencode(".jpg", colour)[1].tobytes(),
        "cut.png": png_from_pixels(phantom(0, size=(SIDE, SIDE)).image)[:60],
    }
    assert made_page(demo_bundle_path, module, tmp_path / "page.html") == 0
    seen = chosen(tmp_path / "page.html", files, tmp_path)
    assert [one["name"] for one in seen] == list(files)
    assert [(one["error"], one["save"], one["mask"]) for one in seen] == [("error", False, None)] * len(files)
    assert "16 bits" in seen[0]["said"]
    assert "colours" in seen[1]["said"]
    assert "transparent" in seen[2]["said"]
    assert "not a PNG" in seen[3]["said"]


@needs_node
def test_resizing_is_opencvs(tmp_path: Path) -> None:
    assert NODE is not None
    image = np.random.default_rng(0).uniform(0, 255, (23, 40)).astype(np.float32)
    (tmp_path / "image").write_bytes(image.tobytes())
    engine = json.dumps(str(EXAMPLES / "browser" / "miniseg.js"))
    for size in ((64, 64), (7, 90), (1, 1), (23, 40)):
        script = (
            f"const {{ resized }} = require({engine}), fs = require('fs');"
            "const image = new Float32Array(new Uint8Array(fs.readFileSync('image')).buffer);"
            f"fs.writeFileSync('out', Buffer.from(resized(image, 23, 40, {size[0]}, {size[1]}).buffer));"
        )
        subprocess.run([NODE, "-e", script], cwd=tmp_path, check=True)
        found = np.fromfile(tmp_path / "out", np.float32).reshape(size)
        np.testing.assert_allclose(found, cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), atol=1e-4)


def test_a_bundle_that_it_cannot_run_is_refused(
    engine_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written."""
    assert made_page(engine_bundle_path, tmp_path / "none", tmp_path / "page.html") == 1
    assert capsys.readouterr().err.startswith("RUNTIME_UNAVAILABLE: ")
    assert not (tmp_path / "page.html").exists()
