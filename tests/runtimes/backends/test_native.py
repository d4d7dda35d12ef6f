"""What is the native runtime's own: free sizes, bounds, threads, and plans that are not of their manifest's network."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.bundle.manifest import Manifest
from miniseg_edge.errors import IncompatibleError, InputError, UnsafeModelError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.native.binding import MAX_SIDE
from miniseg_edge.runtimes.backends import native
from tests.conftest import SIZE, made_once

RANDOM = np.random.default_rng(11)


@pytest.fixture(scope="module")
def free_size(tiny_checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    request = ExportRequest(tiny_checkpoint_path, Path(), ("native",), size=SIZE, dynamic_size=True)
    made = made_once(tmp_path_factory, "native-free", lambda path: export_bundle(replace(request, output=path)))
    return open_bundle(made)


def test_sizes_in_any_order_give_what_each_gives_alone(free_size: Bundle) -> None:
    sizes = [(64, 64), (1, 1), (65, 3), (3, 130), (64, 64), (1, 97), (128, 128), (2, 2)]
    inputs = [RANDOM.random((1, 1, *size), np.float32) * 255 for size in sizes]
    with miniseg_edge.load(free_size, "native", threads=2) as segmenter:
        together = [segmenter.runtime.infer(values) for values in inputs]
    for values, found in zip(inputs, together, strict=True):
        with miniseg_edge.load(free_size, "native", threads=1) as segmenter:
            np.testing.assert_array_equal(segmenter.runtime.infer(values), found)


def test_a_slice_beyond_the_bound_is_refused_and_the_next_call_succeeds(free_size: Bundle) -> None:
    with miniseg_edge.load(free_size, "native") as segmenter:
        with pytest.raises(InputError, match="at most 4096 x 4096 pixels, got 1 x 4097"):
            segmenter.runtime.infer(np.zeros((1, 1, 1, MAX_SIDE + 1), np.float32))
        assert segmenter.runtime.infer(np.zeros((1, 1, 1, 1), np.float32)).shape == (1, 1, 1, 1)


def test_work_is_bounded(free_size: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MAX_WORK", 10**8)
    with miniseg_edge.load(free_size, "native") as segmenter, pytest.raises(UnsafeModelError, match="too large for"):
        segmenter.runtime.infer(np.zeros((1, 1, 2048, 2048), np.float32))


def hu(manifest: Manifest) -> Manifest:
    return replace(manifest, interface=replace(manifest.interface, values="hu"))


def three_channels(manifest: Manifest) -> Manifest:
    return replace(manifest, interface=replace(manifest.interface, channels=3))


def three_classes(manifest: Manifest) -> Manifest:
    network = manifest.network
    assert network.architecture is not None
    architecture = replace(network.architecture, classes=3)
    return replace(manifest, network=replace(network, classes=3, architecture=architecture))


@pytest.mark.parametrize("change", [hu, three_channels, three_classes])
def test_a_plan_of_another_network_is_refused(bundle: Bundle, change: Callable[[Manifest], Manifest]) -> None:
    with pytest.raises(IncompatibleError, match="network is not the one in the manifest"):
        miniseg_edge.load(replace(bundle, manifest=change(bundle.manifest)), "native")


THREADS = """
import json, sys
from pathlib import Path
import numpy as np
import miniseg_edge

def names():
    return sorted(path.joinpath("comm").read_text().strip() for path in Path("/proc/self/task").iterdir())

before = names()
with miniseg_edge.load(sys.argv[1], "native", threads=6, streams=2) as segmenter:
    list(segmenter.segment_many([np.zeros((64, 64), np.uint8)] * 8))
    during = [name for name in names() if name.startswith("miniseg-")]
print(json.dumps([during, [name for name in names() if name not in before and name.startswith("miniseg-")]]))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the names of threads from /proc")
def test_threads_are_as_many_as_asked_for_have_names_and_end(bundle_path: Path) -> None:
    command = [sys.executable, "-c", THREADS, str(bundle_path)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    during, after = told
    assert set(during) == {"miniseg-1", "miniseg-2"}
    assert len(during) in (2, 4)  # one context or two, each with its caller's thread and two more
    assert after == []
