"""Noise of a real network, quantized for real."""

from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import pytest

from miniseg_edge.export.graph.forms import DIRECT
from miniseg_edge.export.quantization.calibration import CalibrationSlice, network_inputs, one_level_off, pixels_sha256
from miniseg_edge.export.quantization.quantizer import Quantizer
from miniseg_edge.export.quantization.scheme import TENSOR_CORES
from miniseg_edge.export.quantization.search import noise
from miniseg_edge.export.quantization.search.noise import Judge, Slice
from miniseg_edge.parity.comparison import ParityLimits
from miniseg_edge.tensors import HU, MASK, GraphInterface
from tests.export.quantization import by_hand, networks

COUNT = 6
LENIENT = ParityLimits(max_real_flips=None)


@cache
def judge(interface: GraphInterface | None = None) -> Judge:
    """Of the graph by hand, or of an exported one that is fed and answers in some way."""
    size = by_hand.SIZE if interface is None else networks.SIZE
    made = networks.manifest(size, interface)
    fed = [CalibrationSlice(pixels_sha256(found), found) for found in (by_hand.pixels(i, size) for i in range(COUNT))]
    inputs, off = (network_inputs(each, made) for each in (fed, one_level_off(fed)))
    graph = by_hand.graph_by_hand() if interface is None else networks.graph(DIRECT, interface=interface)
    quantizer = Quantizer.of(graph, inputs, TENSOR_CORES, grey=False)
    slices = tuple(Slice(one.sha256[:12], *both) for one, *both in zip(fed, inputs, off, strict=True))
    return Judge.of(quantizer, tuple(quantizer.groups), slices, LENIENT)


def test_the_noise_of_groups_adds_up_as_squares() -> None:
    groups = tuple(judge().quantizer.groups)
    together = judge()(groups).noise
    assert min(judge().alone.values()) > 0
    assert together == pytest.approx(np.sqrt(sum(judge().alone[group] ** 2 for group in groups)), rel=0.4)


def test_alone_is_what_a_set_of_one_is() -> None:
    for group in ("fuse-3", "decoder"):
        assert judge()((group,)).noise == pytest.approx(judge().alone[group], rel=1e-9)


def test_gates_add_less_than_what_they_gate() -> None:
    assert judge().alone["gates-2"] < judge().alone["fuse-2"]


def test_too_much_noise_is_a_limit_that_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judge()(("fuse-3",))
    assert not [failure for failure in found.failures if "noise" in failure] or found.noise > noise.LIMIT
    monkeypatch.setattr(noise, "LIMIT", found.noise / 2)
    assert any("grey levels, at most" in failure for failure in judge()(("fuse-3",)).failures)


def test_masks_are_judged_by_limits_as_well() -> None:
    strict = replace(judge(), limits=replace(LENIENT, max_logit_difference=1e-9))
    assert any("logit difference" in failure for failure in strict(("fuse-3",)).failures)


def test_a_network_that_nobody_quantized_has_no_noise() -> None:
    """The yardstick is the FP32 network's own answer to a grey level, so it is above 0."""
    assert judge().grey > 0
    (wanted,) = {one.shape for one in judge().wanted}
    assert wanted == (1, *by_hand.SIZE)


@pytest.mark.slow
@pytest.mark.parametrize("interface", [GraphInterface(values=HU), GraphInterface(result=MASK)], ids=str)
def test_hu_and_masks_make_no_difference(interface: GraphInterface) -> None:
    """A mask's graph is judged by the logits inside it; a grey level is so many HU."""
    plain = judge(GraphInterface())
    assert judge(interface).grey == pytest.approx(plain.grey, rel=1e-3)
    for group in ("fuse-3", "decoder"):
        assert judge(interface).alone[group] == pytest.approx(plain.alone[group], rel=0.5)


def test_a_slice_without_an_edge_has_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "NEAR", 0.0)
    blind = Judge.of(judge().quantizer, ("fuse-3",), judge().slices, LENIENT)
    assert blind.alone == {"fuse-3": 0.0}
    assert blind(("fuse-3",)).noise == 0


def test_only_some_of_many_slices_tell_the_groups_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "FEW", 3)
    few = Judge.of(judge().quantizer, ("fuse-3",), judge().slices, LENIENT)
    assert few.grey == judge().grey
    assert 0 < few.alone["fuse-3"] != judge().alone["fuse-3"]


def test_the_graph_is_not_changed_by_being_judged() -> None:
    before = judge().quantizer.exact.SerializeToString()
    judge()(("fuse-3",))
    assert judge().quantizer.exact.SerializeToString() == before
    assert onnx.load_from_string(before).graph.node
