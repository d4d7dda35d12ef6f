"""10,000 slices from 8 threads, after as many as warm-up: every mask right, no memory that grows with their number."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_ten_thousand_slices_from_eight_threads(demo_bundle_path: Path) -> None:
    command = [sys.executable, "-m", "tests.endurance", str(demo_bundle_path), "20000", "8"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert (told["wrong"], told["slices"]) == (0, 20_000)
    assert told["mb_per_1000"][0] < 1.0, "keeping each mask would be 4 MB, each logit map 16 MB"
