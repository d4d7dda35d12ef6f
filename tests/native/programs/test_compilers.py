"""The library under other compilers: the same bits. Other processors: tests/native/platforms."""

import platform

import numpy as np
import pytest

from miniseg_edge.architecture import PRESETS, Architecture
from miniseg_edge.native.binding import PATH, InstructionSet, Model, build_record, instruction_sets
from miniseg_edge.native.build import Compiler
from tests.native.plans import case
from tests.native.programs.building import Program, compilers, program

pytestmark = pytest.mark.slow

NETWORKS = [
    PRESETS["miniseg-83k"],
    Architecture((5, 20, 52, 24), (3, 1, 0, 2), (2, 0, 0, 1)),
    Architecture((1, 4, 4, 4), (0, 0, 0, 0), (0, 0, 0, 0)),
]
SIZES = [(64, 96), (37, 71), (1, 1), (3, 130)]


def cases() -> list[tuple[bytes, np.ndarray, bytes]]:
    """Plans, slices, and the logits of the library in the package."""
    found = []
    for architecture in NETWORKS:
        plan = case(architecture).plan
        for size in SIZES:
            slices = np.random.default_rng(0).integers(0, 256, (2, *size), dtype=np.uint8)
            with Model(plan) as model, model.context(size, 1) as context:
                found.append((plan, slices, b"".join(context.logits(slice_).tobytes() for slice_ in slices)))
    return found


def assert_same_bits(made: Program, sets: tuple[InstructionSet, ...], threads: tuple[int, ...]) -> None:
    for plan, slices, expected in cases():
        for set_ in sets:
            for number in threads:
                assert made.logits(plan, slices, set_, number) == expected


def found(name: str) -> Compiler:
    one = compilers(name)
    return one[0] if one else pytest.skip(f"needs {name}")


@pytest.fixture(scope="module", params=["c++", "clang++"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Compiler]:
    """In a folder of another name than the installed library's."""
    chosen = found(request.param)
    return program(tmp_path_factory.mktemp("elsewhere") / "deep", chosen, machine=platform.machine()), chosen


def test_compilers(made: tuple[Program, Compiler]) -> None:
    assert_same_bits(made[0], instruction_sets(), (1, 3))


def test_builds_are_reproducible(made: tuple[Program, Compiler]) -> None:
    """The compiler that made the installed library makes it again, byte for byte."""
    if not build_record().startswith(made[1].version()):
        pytest.skip("the installed library is another compiler's")
    again = made[0].path.with_name(PATH.name).read_bytes()
    assert again == PATH.read_bytes()
    assert str(made[0].path.parent).encode() not in again
    assert len(again) < 3 * 600 * 1024
