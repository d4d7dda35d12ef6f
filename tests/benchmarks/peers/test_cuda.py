"""Peers on a GPU: none where there is no GPU, and there they draw the reference's lesion."""

from pathlib import Path

import pytest

from miniseg_edge.benchmarks.hardware import gpus_here, this_machine
from miniseg_edge.benchmarks.peers.peer import PeerFiles
from miniseg_edge.benchmarks.peers.table import PEERS, peers_here
from miniseg_edge.benchmarks.session.opening import opened
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.host.silence import unattended
from miniseg_edge.phantoms import main as write_phantoms
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.slices.images import image_paths
from tests.conftest import SIZE, has_gpu


def test_the_machine_names_its_gpus() -> None:
    assert bool(gpus_here()) == has_gpu()
    assert all(gpu.name in this_machine().name for gpu in gpus_here())


@pytest.mark.gpu
def test_each_peer_on_the_gpu_draws_the_references_lesion(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_phantoms([str(tmp_path), "--count", "2", "--first-seed", "1"])
    files = PeerFiles(open_bundle(demo_bundle_path), demo_bundle_path, tmp_path, image_paths(tmp_path / "images"), 1)
    with unattended():
        on_gpu = [peer.configuration(files) for peer in peers_here() if peer.on_gpu]
    assert [one.name for one in on_gpu] == ["torch eager, CUDA", "torch CUDA graph", "plain ONNX Runtime, CUDA"]
    slice_ = phantom(3, size=SIZE).image
    with load(demo_bundle_path, "torch", "cpu") as reference:
        expected = reference.segment(slice_).mask
    for one in on_gpu:
        assert int((opened(one, demo_bundle_path).segment(slice_) != expected).sum()) <= 3, one.name


def test_peers_on_a_gpu_are_made_where_there_is_one() -> None:
    assert [peer for peer in PEERS.values() if peer.on_gpu and peer in peers_here()] == (
        [peer for peer in PEERS.values() if peer.on_gpu] if has_gpu() else []
    )
