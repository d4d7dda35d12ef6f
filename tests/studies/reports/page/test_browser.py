"""The page in a real browser: scrolled, clicked, printed, seen."""

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from miniseg_edge.studies import open_study
from miniseg_edge.studies.reports.page.page import Other
from tests.browser import browse, needs_chromium
from tests.studies.reports.page.test_page import page_of
from tests.studies.seg.test_dicom_seg import MASK
from tests.studies.series import write_series

pytestmark = [pytest.mark.slow, needs_chromium]

# Acts on the page in a frame, and says after each act what a reader would see.
DRIVE = """
const frame = document.querySelector('iframe'), seen = [];
// Turns of the event loop, not time: the browser's clock is a virtual one, which does not wait for pictures.
const turn = () => new Promise(done => {
  const {port1, port2} = new MessageChannel();
  port1.onmessage = done;
  port2.postMessage(0);
});
const settled = async () => {
  const page = frame.contentDocument, shown = () => page.getElementById('caption').textContent.match(/slice ([0-9]+)/);
  for (let i = 0; i < 3 || (i < 300000 && page.body.dataset.drawn !== shown()[1]); i++) await turn();
};
frame.onload = async () => {
  const page = frame.contentDocument, view = frame.contentWindow;
  page.addEventListener('securitypolicyviolation', event => seen.push('refused: ' + event.violatedDirective));
  const at = id => page.getElementById(id);
  const key = name => page.body.dispatchEvent(new view.KeyboardEvent('keydown', {key: name, bubbles: true}));
  const wheel = deltaY =>
    at('ours').dispatchEvent(new view.WheelEvent('wheel', {deltaY, bubbles: true, cancelable: true}));
  const click = (id, x, y) => {
    const box = at(id).getBoundingClientRect();
    at(id).dispatchEvent(new view.MouseEvent('click',
      {clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true}));
  };
  const colours = id => {
    const canvas = at(id), {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let coloured = 0, grey = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) coloured++; else grey += data[i];
    }
    return [coloured, grey];
  };
  const see = () => ({
    caption: at('caption').textContent, drawn: page.body.dataset.drawn, here: at('here').getAttribute('x1'),
    ours: colours('ours'), other: at('other') && colours('other'), legend: at('legend') && !at('legend').hidden,
  });
  await settled();
  const acts = ACTS;
  seen.push(see());
  for (const act of acts) { act(); await settled(); seen.push(see()); }
  document.title = JSON.stringify(seen);
};
frame.srcdoc = PAGE;
"""


def acted(page: str, acts: list[str], folder: Path) -> list[Any]:
    """What is seen at first and after each act, in JavaScript."""
    script = DRIVE.replace("ACTS", "[" + ", ".join(f"() => {act}" for act in acts) + "]")
    script = script.replace("PAGE", json.dumps(page).replace("</", "<\\/"))
    wrapper = f'<meta charset="utf-8"><iframe style="width: 1200px; height: 900px"></iframe><script>{script}</script>'
    (folder / "wrapper.html").write_text(wrapper, encoding="utf-8")
    shown = browse(folder, "--dump-dom", "--virtual-time-budget=20000", (folder / "wrapper.html").as_uri())
    title = re.search(r"<title>(.*?)</title>", shown)
    assert title is not None
    return list(json.loads(title[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")))


@pytest.fixture
def page(tmp_path: Path) -> str:
    return page_of(open_study(write_series(tmp_path / "ct", 6)))


def slices_in(seen: list[Any]) -> list[int]:
    assert all(isinstance(one, dict) for one in seen), "the page's own policy refuses something of it"
    assert all(one["drawn"] == one["caption"].split()[1] for one in seen)
    assert all(float(one["here"]) == int(one["drawn"]) + 0.5 for one in seen)
    return [int(one["drawn"]) for one in seen]


def test_keys_and_wheel_go_through_the_slices(page: str, tmp_path: Path) -> None:
    keys = ["ArrowUp", "ArrowDown", "End", "ArrowUp", "Home", "PageUp", "PageDown", "n", "n", "n"]
    acts = [f"key({name!r})" for name in keys] + ["wheel(100)", "wheel(-120)", "wheel(-20)", "wheel(-20)", "wheel(-20)"]
    seen = acted(page, acts, tmp_path)
    assert slices_in(seen) == [1, 2, 1, 5, 5, 0, 5, 0, 1, 3, 1, 0, 1, 1, 1, 2]
    assert [one["ours"][0] for one in seen] == [int(MASK[int(one["drawn"])].sum()) for one in seen]
    assert "lesion 101 mm" in seen[0]["caption"]
    assert "no lesion" in seen[1]["caption"]


def test_chart_and_projections_are_clicked(page: str, tmp_path: Path) -> None:
    acts = [
        "click('chart', 0.99, 0.5)",
        "click('chart', 0.6, 0.1)",
        "click('coronal', 0.5, 0.01)",
        "click('sagittal', 0.5, 0.99)",
    ]
    assert slices_in(acted(page, acts, tmp_path)) == [1, 5, 3, 5, 0]


def test_overlay_and_windows_change_what_is_shown(page: str, tmp_path: Path) -> None:
    acts = ["key('o')", "key('S')", "click('lung', 0.5, 0.5)", "click('overlay', 0.5, 0.5)"]
    first, hidden, soft, lung, again = acted(page, acts, tmp_path)
    assert first["ours"][0] == MASK[1].sum()
    assert hidden["ours"][0] == 0
    assert soft["ours"][1] < hidden["ours"][1] / 1.5, "lungs are black in the soft-tissue window"
    assert lung["ours"] == hidden["ours"]
    assert again["ours"] == first["ours"]


def test_a_second_result_and_the_differences(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "ct", 6))
    theirs = np.roll(MASK, 4, axis=2)
    page = page_of(study, other=Other("expert.nii.gz", lambda index: theirs[index]))
    first, different = acted(page, ["key('d')"], tmp_path)
    assert (first["ours"][0], first["other"][0], first["legend"]) == (MASK[1].sum(), theirs[1].sum(), False)
    assert different["legend"] is True
    assert different["ours"] == different["other"]
    assert different["ours"][0] == ((MASK[1] + theirs[1]) > 0).sum()


def test_opens_from_a_file_and_shows_the_lesion(page: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    picture = tmp_path / "report.png"
    budget = ("--virtual-time-budget=5000", "--window-size=1200,1500")
    browse(tmp_path, f"--screenshot={picture}", *budget, (tmp_path / "report.html").as_uri())
    pixels = cv2.imread(str(picture))
    assert pixels is not None
    assert pixels.shape == (1500, 1200, 3)
    red = np.abs(pixels.astype(int) - [79, 90, 255]).sum(axis=2) < 40
    assert red[:800, :790].sum() > 1000, "the lesion's outline in the slice"
    assert red[800:].sum() > 1000, "the chart"


def test_prints_on_a4(page: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    paper = tmp_path / "report.pdf"
    options = ("--no-pdf-header-footer", "--virtual-time-budget=5000")
    browse(tmp_path, f"--print-to-pdf={paper}", *options, (tmp_path / "report.html").as_uri())
    data = paper.read_bytes()
    assert data.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 2
    sizes = {tuple(map(round, map(float, box.split()))) for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", data)}
    assert sizes == {(0, 0, 595, 842)}
