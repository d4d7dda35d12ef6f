"""Little memory: a command answers with masks, or with a typed error and nothing half-written."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import Bundle, file_records, open_bundle, write_bundle
from miniseg_edge.bundle.manifest import sealed
from miniseg_edge.phantoms import phantom
from miniseg_edge.slices.images import slice_from_file, write_png

ROOT = Path(__file__).parents[2]

_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]) * 2**20,) * 2)
from miniseg_edge.runtimes.segment_command import main
sys.exit(main(sys.argv[2:]))
"""


linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to its address space")


@pytest.mark.slow
@linux
def test_memory_that_does_not_suffice_is_a_typed_error(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "slices" / "one.png", phantom(1, size=(64, 64)).image)
    codes = []
    for limit_mib in (300, 4000):  # between them the vendors' own code may die of it
        output = tmp_path / f"{limit_mib}"
        words = [str(demo_bundle_path), str(tmp_path / "slices"), "--threads", "1", "--output", str(output)]
        command = [sys.executable, "-c", _LIMITED, str(limit_mib), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        codes.append(done.returncode)
        assert done.returncode in (0, 1), done.stderr[-2000:]
        if done.returncode == 1:
            assert re.search(r"^[A-Z_]+: ", done.stderr, re.MULTILINE), done.stderr[-2000:]
            assert "Traceback" not in done.stderr
        for path in output.glob("*"):
            assert slice_from_file(path, channels=3).shape == (64, 64, 3)
    assert codes[0] == 1
    assert codes[-1] == 0


@pytest.mark.slow
@linux
@pytest.mark.parametrize("runtime", ["native", "openvino", "onnxruntime"])
def test_an_embedded_runtime_refuses_what_does_not_fit_and_goes_on(
    demo_bundle_path: Path, tmp_path: Path, runtime: str
) -> None:
    bundle = open_bundle(demo_bundle_path)
    contents = {**bundle.contents, "parity.json": bytes(50 * 2**20)}
    manifest = sealed(replace(bundle.manifest, files=file_records(contents)))
    write_bundle(Bundle("large", manifest, contents), tmp_path / "large")
    words = [str(demo_bundle_path), runtime, str(tmp_path / "large")]
    command = [sys.executable, "-m", "tests.faults.little_memory", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
