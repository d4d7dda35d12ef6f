"""MNN and ncnn as peers: they draw the reference's lesion where they are installed; elsewhere the reason is said."""

import sys
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.benchmarks.peers.peer import PeerFiles
from miniseg_edge.benchmarks.peers.table import PEERS, peers_here
from miniseg_edge.benchmarks.session.process import WorkerProcess
from miniseg_edge.benchmarks.session.session import masks_of
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.errors import MissingDependencyError
from miniseg_edge.host.dependencies import installed
from miniseg_edge.host.silence import unattended
from miniseg_edge.phantoms import main as write_phantoms
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.slices.images import image_paths, slice_from_file

PACKAGES = {"plain MNN FP32": ("MNN",), "plain ncnn FP32": ("ncnn", "pnnx")}


@pytest.fixture
def files(demo_bundle_path: Path, tmp_path: Path) -> PeerFiles:
    return PeerFiles(open_bundle(demo_bundle_path), demo_bundle_path, tmp_path, (), 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_the_peer_draws_the_references_lesion(name: str, files: PeerFiles, tmp_path: Path) -> None:
    if missing := [package for package in PACKAGES[name] if not installed(package)]:
        pytest.skip(f"not installed: {', '.join(missing)} (the extra 'peers')")
    write_phantoms([str(tmp_path), "--count", "3", "--first-seed", "1"])
    paths = image_paths(tmp_path / "images")
    slices = [slice_from_file(path) for path in paths]
    with load(files.bundle_path, "torch", "cpu") as reference:
        expected = np.stack([reference.segment(slice_).mask for slice_ in slices])
    assert expected.any()
    with unattended():
        configuration = PEERS[name].configuration(files)
    for streams in (1, 2):
        with WorkerProcess(configuration, files.bundle_path, paths, streams) as worker:
            changed = [int((m != e).sum()) for m, e in zip(masks_of(worker), expected, strict=True)]
            assert max(changed) <= 3, "near-ties alone"
            assert worker.ask("offline", seconds=0.1)["slices"] >= len(slices)


@pytest.mark.parametrize(("name", "package"), [(name, one) for name, needed in PACKAGES.items() for one in needed])
def test_what_is_missing_is_said_before_any_work(
    name: str, package: str, files: PeerFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    assert PEERS[name] in peers_here()
    with pytest.raises(MissingDependencyError, match=rf"{package}.*miniseg-edge\[peers\]"):
        PEERS[name].configuration(files)
    assert list(files.folder.iterdir()) == []
