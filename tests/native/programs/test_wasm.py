"""The library as WebAssembly, in Node: the masks of golden slices, bits, refusals."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from miniseg_edge.architecture import PRESETS, Architecture
from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.bundle.golden import golden_image, golden_logits
from miniseg_edge.native.binding import InstructionSet, Model
from miniseg_edge.native.wasm import LEFT_OUT, exports
from tests.native.plans import case
from tests.native.programs.wasm import SIMD128, InNode, built_module, needs_node

pytestmark = [pytest.mark.slow, needs_node]

NEAR_TIE = 1e-3
NETWORKS = [PRESETS["miniseg-83k"], Architecture((5, 20, 52, 24), (3, 1, 0, 2), (2, 0, 0, 1))]
SIZES = [(64, 96), (37, 71), (1, 1), (3, 130)]


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> InNode:
    return InNode(built_module(tmp_path_factory), tmp_path)


def noise(size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (2, *size), dtype=np.uint8)


def in_python(plan: bytes, slices: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    height, width = slices.shape[1:]
    with Model(plan) as model, model.context((height, width)) as context:
        return np.stack([context.logits(slice_)[0] for slice_ in slices])


def test_golden_slices_have_the_same_masks(node: InNode, demo_bundle_path: Path) -> None:
    bundle = open_bundle(demo_bundle_path)
    assert bundle.manifest.golden
    for golden in bundle.manifest.golden:
        slice_ = golden_image(bundle, golden)
        expected = golden_logits(bundle, golden, slice_.shape[:2])[0]
        found = node.logits(bundle.contents["native/model.miniseg"], slice_[None])[0]
        changed = (found > 0) != (expected > 0)
        assert (np.abs(expected[changed]) < NEAR_TIE).all()
        assert 0 < np.mean(found > 0) < 1


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("size", SIZES)
def test_plain_has_the_bits_of_every_other_machine(
    node: InNode, architecture: Architecture, size: tuple[int, int]
) -> None:
    plan, slices = case(architecture).plan, noise(size)
    found = node.logits(plan, slices, InstructionSet.PLAIN)
    assert found.tobytes() == in_python(plan, slices).tobytes()


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("size", SIZES)
def test_simd_is_near_and_repeats_itself(node: InNode, architecture: Architecture, size: tuple[int, int]) -> None:
    plan, slices = case(architecture).plan, noise(size)
    expected = in_python(plan, slices)
    found = node.logits(plan, slices, SIMD128)
    assert float(np.abs(found - expected).max()) <= 2e-5 * max(1.0, float(np.abs(expected).max()))
    assert node.logits(plan, slices[::-1].copy())[::-1].tobytes() == found.tobytes()


def test_refusals_are_words(node: InNode) -> None:
    plan, slices = case().plan, noise((8, 8))
    code, said = node.run(plan[:500], slices)
    assert (code, said) == (1, "miniseg_open: the plan is broken: its size is another than it says (2)\n")
    code, said = node.run(plan, slices, InstructionSet.AVX2)
    assert (code, said.startswith("miniseg_open: this processor or library does not have")) == (1, True)
    code, said = node.run(plan, noise((1, 5000)))
    assert (code, said) == (1, "miniseg_context_open: a width of 1 to 4096 pixels (1)\n")


def test_the_module_names_no_place_of_this_machine(node: InNode) -> None:
    data = node.module.read_bytes()
    assert b"wasm32-wasi" in data, "its record"
    assert str(Path(__file__).parents[3]).encode() not in data
    assert str(Path.home()).encode() + b"/" not in data
    assert LEFT_OUT.isdisjoint(exports())
    assert {"miniseg_open", "miniseg_context_open", "miniseg_run"} < set(exports())
