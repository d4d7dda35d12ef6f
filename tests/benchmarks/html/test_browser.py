"""The page in a real browser: seen, printed, measured."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.html.reports import crowded_page, hostile_page, pixels_of
from tests.browser import browse, needs_chromium

# Lengths are the browser's own: what overlaps or leaves its frame here does so before the reader's eyes.
MEASURE = """
const frame = document.querySelector('iframe');
frame.onload = () => {
  const page = frame.contentDocument, found = [];
  const root = page.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push('the page is wider than its window');
  for (const svg of page.querySelectorAll('svg')) {
    const outer = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    boxes.forEach(([name, a], i) => {
      if (a.left < outer.left || a.right > outer.right || a.top < outer.top || a.bottom > outer.bottom)
        found.push('cut: ' + name);
      for (const [other, b] of boxes.slice(i + 1))
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2)
          found.push('overlap: ' + name + ' and ' + other);
    });
  }
  for (const image of page.images) if (!image.naturalWidth) found.push('no picture: ' + image.alt);
  document.title = JSON.stringify([root.scrollHeight, found]);
};
frame.srcdoc = PAGE;
"""


@pytest.mark.slow
@needs_chromium
class TestBrowser:
    def test_a_screenshot_shows_the_report(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "report.html").write_text(text, encoding="utf-8")
        picture = tmp_path / "report.png"
        browse(tmp_path, f"--screenshot={picture}", "--window-size=1200,6000", (tmp_path / "report.html").as_uri())
        pixels = pixels_of(picture.read_bytes())
        assert pixels.shape == (6000, 1200, 3)
        used = pixels.min(axis=(1, 2)) < 200
        assert used[:4000].mean() > 0.4, "lines with something on them"
        red, blue = (np.abs(pixels.astype(int) - colour).sum(axis=2) < 30 for colour in ([30, 38, 179], [178, 114, 0]))
        assert red.sum() > 100, "another lesion is red"
        assert blue.sum() > 1000, "our first artefact's colour"

    def test_prints_on_a4(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "report.html").write_text(text, encoding="utf-8")
        paper = tmp_path / "report.pdf"
        browse(tmp_path, f"--print-to-pdf={paper}", "--no-pdf-header-footer", (tmp_path / "report.html").as_uri())
        data = paper.read_bytes()
        assert data.startswith(b"%PDF")
        assert 5 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 12
        sizes = {tuple(map(round, map(float, box.split()))) for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", data)}
        assert sizes == {(0, 0, 595, 842)}

    @pytest.mark.parametrize("width", [360, 768, 1200])
    @pytest.mark.parametrize("kind", ["plain", "hostile", "crowded"])
    def test_nothing_overlaps_and_nothing_is_cut(self, kind: str, width: int, text: str, tmp_path: Path) -> None:
        shown = {"plain": lambda: text, "hostile": hostile_page, "crowded": crowded_page}[kind]()
        script = MEASURE.replace("PAGE", json.dumps(shown).replace("</", "<\\/"))
        wrapper = (
            f'<meta charset="utf-8"><iframe style="width: {width}px; height: 900px"></iframe><script>{script}</script>'
        )
        (tmp_path / "wrapper.html").write_text(wrapper, encoding="utf-8")
        shown = browse(tmp_path, "--dump-dom", "--virtual-time-budget=10000", (tmp_path / "wrapper.html").as_uri())
        title = re.search(r"<title>(.*?)</title>", shown)
        assert title is not None
        height, found = json.loads(title[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        assert height > 3000
        assert found == []
