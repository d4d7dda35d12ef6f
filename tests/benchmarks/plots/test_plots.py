import dataclasses
import re
import subprocess
import sys
from itertools import combinations

import numpy as np

from miniseg_edge.benchmarks.plots import Entry, accuracy_plot, latency_plot, placed_labels, stage_plot
from tests.benchmarks.html.reports import RESULTS


class TestPictures:
    def test_names_in_other_scripts_and_with_dollars(self) -> None:
        named = dataclasses.replace(RESULTS[0], name="$x_1$ \u80ba\u708e \u0627\u0644\u0631\u0626\u0629")
        for plot in (latency_plot([Entry(named, "#000000", False)]), stage_plot([Entry(named, "#000000", False)])):
            assert "$x_1$ \u80ba\u708e" in plot

    def test_all_latencies_are_in_the_picture(self) -> None:
        spiked = dataclasses.replace(RESULTS[0], rounds_ms=((10.0,) * 500 + (10.01, 900.0),))
        plot = latency_plot([Entry(spiked, "#123456", False)])
        assert "10.00 / 10.00 / 900.00" in plot
        box = re.search(r'viewBox="0 0 ([\d.]+)', plot)
        assert box is not None
        (marks,) = (d for d in re.findall(r'<path d="([^"]*)"[^>]*stroke: #123456; stroke-width: 0.6', plot))
        x = [float(value) for value in re.findall(r"M ([\d.]+)", marks)]
        assert len(x) == 2, "the two that coincide share a mark"
        assert max(x) < float(box[1])

    def test_nothing_to_plot(self) -> None:
        assert latency_plot([]) == stage_plot([]) == accuracy_plot([], "") == ""

    def test_p50_is_shown_where_there_is_no_baseline(self) -> None:
        alone = dataclasses.replace(RESULTS[0], ratio_to_baseline=None)
        assert "p50, ms (left is faster)" in accuracy_plot([Entry(alone, "#000000", False)], "gone")

    def test_labels_cover_neither_each_other_nor_a_mark(self) -> None:
        random = np.random.default_rng(0)
        points = [(float(x), 200.0) for x in random.uniform(20, 580, 11)]
        sizes = [(float(width), 12.0) for width in random.uniform(60, 130, 11)]
        boxes = [
            (x, y, x + w, y + h)
            for (x, y), (w, h) in zip(placed_labels(points, sizes, (0, 0, 600, 280)), sizes, strict=True)
        ]
        for a, b in combinations([*boxes, *((x - 4, y - 4, x + 4, y + 4) for x, y in points)], 2):
            if a in boxes:
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert all(x0 >= 0 and y0 >= 0 and x1 <= 600 and y1 <= 280 for x0, y0, x1, y1 in boxes)

    def test_matplotlib_is_asked_for_by_its_extra(self) -> None:
        code = (
            "import sys; sys.modules['matplotlib'] = None\n"
            "from miniseg_edge.benchmarks.plots import Entry, latency_plot\n"
            "from types import SimpleNamespace\n"
            "latency_plot([Entry(SimpleNamespace(rounds_ms=((1.0,),)), '#000000', False)])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert 'pip install "miniseg-edge[bench]"' in done.stderr

    def test_importing_the_page_loads_no_matplotlib(self) -> None:
        code = "import sys, miniseg_edge.benchmarks.html; assert 'matplotlib' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True)
