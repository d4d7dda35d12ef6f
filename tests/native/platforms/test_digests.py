"""One digest of all logits: on every instruction set, emulated processor, C library and operating system."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.native.binding import InstructionSet, Model, instruction_sets
from miniseg_edge.native.platform_table import PLATFORMS, platform_named
from tests.native.platforms.conftest import Expected
from tests.native.platforms.hosts import HERE, Built, Host

pytestmark = pytest.mark.slow

RUNNER = HERE.parent / "programs" / "runner.c"
RUN = [row.name for row in PLATFORMS if row.run_by is not None]
REFUSED = "2 1 1 6\n"
"""MINISEG_PLAN, MINISEG_ARGUMENT twice, MINISEG_UNSUPPORTED."""

HostOf = Callable[[str], Host]


@pytest.fixture(scope="module")
def host_of(built: Callable[[str], Built]) -> HostOf:
    """digest.c for a platform, by its name."""
    return cache(lambda name: built(name).host(HERE / "digest.c"))


@pytest.mark.parametrize("name", RUN)
def test_a_platform_gives_the_digest(name: str, host_of: HostOf, expected: Expected) -> None:
    host = host_of(name)
    sets = {"aarch64": [InstructionSet.NEON, InstructionSet.PLAIN]}.get(
        platform_named(name).machine, instruction_sets()
    )
    for set_ in sets:
        answer = host.answer(expected.words, set_)
        assert answer.digest == expected.digest
        assert answer.instruction_set == set_


@pytest.mark.parametrize("name", ["linux-x86_64", "musl-x86_64"])
@pytest.mark.parametrize(
    ("processor", "set_"), [("Nehalem", InstructionSet.PLAIN), ("Haswell", InstructionSet.AVX2)], ids=str
)
def test_an_older_processor_gives_the_digest(
    name: str, processor: str, set_: InstructionSet, host_of: HostOf, expected: Expected
) -> None:
    """The library looks at the processor by itself."""
    emulator = shutil.which("qemu-x86_64") or pytest.skip("needs qemu-x86_64")
    answer = Host(host_of(name).path, (emulator, "-cpu", processor)).answer(expected.words)
    assert answer.digest == expected.digest
    assert answer.instruction_set == set_


@pytest.mark.parametrize("name", RUN)
def test_a_platform_refuses_as_the_header_says(name: str, host_of: HostOf) -> None:
    done = host_of(name).run()
    assert (done.returncode, done.stdout) == (0, REFUSED)


@pytest.mark.parametrize("name", ["linux-aarch64", "windows-x86_64"])
def test_volumes_and_profiles(name: str, built: Callable[[str], Built], expected: Expected, tmp_path: Path) -> None:
    """runner.c: the same bits as slices one by one. They go to a file, and are those that the package gives."""
    host, logits = built(name).host(RUNNER), tmp_path / "logits"
    plan, slices, height, width = expected.words[4:8]
    done = host.run(plan, slices, height, width, 3, int(InstructionSet.BEST), 2, logits)
    assert (done.returncode, done.stderr) == (0, "")
    pixels = np.fromfile(slices, np.uint8).reshape(3, int(height), int(width))
    with Model(Path(plan).read_bytes()) as model, model.context(pixels.shape[1:], 1) as context:
        assert logits.read_bytes() == b"".join(context.logits(slice_).tobytes() for slice_ in pixels)


def test_another_plan_gives_another_digest(host_of: HostOf, expected: Expected) -> None:
    assert host_of("linux-x86_64").answer(expected.words[4:]).digest != expected.digest
