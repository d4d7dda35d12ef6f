"""The programs on our own library, built and run: the same mask as the package, bit for bit, and the same refusals."""

import hashlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.native.binding import PATH
from miniseg_edge.phantoms import phantom
from tests.examples import EXAMPLES, SIDE, has_openssl, model, run, write_pgm

Program = Callable[..., tuple[int, str]]
"""Takes the words after the program's name; its exit code, and what it says of errors."""


def built(source: str, compiler: str, standard: str, folder: Path) -> Program:
    """Linked as its first lines say, with every warning an error."""
    if shutil.which(compiler) is None or not has_openssl(compiler):
        pytest.skip(f"needs {compiler} and OpenSSL's headers (Debian: libssl-dev)")
    where = subprocess.run(
        [sys.executable, "-m", "miniseg_edge.native", "--cflags", "--libs"], text=True, capture_output=True, check=True
    )
    program = folder / Path(source).stem
    warnings = ("-Wall", "-Wextra", "-Werror")
    words = [compiler, f"-std={standard}", "-O1", *warnings, str(EXAMPLES / source), *shlex.split(where.stdout)]
    subprocess.run([*words, "-lcrypto", "-o", str(program)], check=True)
    return lambda *arguments: run(program, *arguments)


def without_packages(*arguments: object) -> tuple[int, str]:
    """The program for ctypes, by a Python that sees no installed package."""
    words = ["-I", "-S", str(EXAMPLES / "segment_native.py"), *map(str, arguments)]
    return run(Path(sys.executable), *words)


@pytest.fixture(scope="module")
def c_program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return built("segment_native.c", "gcc", "c11", tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="module")
def volume_program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return built("segment_native_volume.cpp", "g++", "c++17", tmp_path_factory.mktemp("cpp"))


@pytest.fixture(scope="module")
def csharp_program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """By Mono, the only C# that Debian has; the library beside the program, as an application would ship it."""
    folder = tmp_path_factory.mktemp("csharp")
    if (compiler := shutil.which("mcs")) is None or (mono := shutil.which("mono")) is None:
        pytest.skip("needs Mono (Debian: mono-mcs)")
    program = folder / "segment_native.exe"
    words = [compiler, "-langversion:7", "-warnaserror", f"-out:{program}", str(EXAMPLES / "segment_native.cs")]
    subprocess.run(words, check=True)
    shutil.copy(PATH, folder)
    return lambda *arguments: run(Path(mono), program, *arguments)


@pytest.fixture(params=["c", "csharp", "python"])
def slice_program(request: pytest.FixtureRequest) -> Program:
    if request.param != "python":
        program: Program = request.getfixturevalue(f"{request.param}_program")
        return program
    return lambda *words: without_packages(*(words and (PATH, *words)))


def test_a_slice_has_the_same_mask(slice_program: Program, demo_bundle_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "mask.pgm"
    with miniseg_edge.load(demo_bundle_path, "native") as segmenter:
        for seed in range(4):
            slice_ = phantom(seed, size=(SIDE, SIDE)).image
            pgm = write_pgm(tmp_path / "slice.pgm", slice_)
            assert slice_program(*model(demo_bundle_path, "native"), pgm, out) == (0, "")
            expected = segmenter.segment(slice_).mask * 255
            assert out.read_bytes() == b"P5\n64 64\n255\n" + expected.tobytes()
            assert 0 < expected.mean() < 255


def test_what_is_wrong_is_refused(slice_program: Program, demo_bundle_path: Path, tmp_path: Path) -> None:
    plan, digest = model(demo_bundle_path, "native")
    out, pgm = tmp_path / "mask", write_pgm(tmp_path / "slice.pgm", np.zeros((SIDE, SIDE), np.uint8))
    data = bytearray(Path(plan).read_bytes())
    data[len(data) // 2] ^= 1
    changed, cut, short = tmp_path / "changed", tmp_path / "cut", tmp_path / "short.pgm"
    changed.write_bytes(data)
    cut.write_bytes(data[:500])
    short.write_bytes(b"P5\n64 64\n255\n" + bytes(100))
    for words, code in (
        ((changed, digest, pgm, out), "INTEGRITY"),
        ((cut, hashlib.sha256(data[:500]).hexdigest(), pgm, out), "INCOMPATIBLE"),
        ((plan, digest, short, out), "UNSUPPORTED_FORMAT"),
    ):
        told = slice_program(*words)
        assert told[0] == 1
        assert told[1].startswith(f"{code}: ")
    assert not out.exists()
    assert slice_program()[0] == 2


def test_c_refuses_files_that_are_not_there(c_program: Program, demo_bundle_path: Path, tmp_path: Path) -> None:
    plan, digest = model(demo_bundle_path, "native")
    pgm, none, out = write_pgm(tmp_path / "slice.pgm", np.zeros((2, 2), np.uint8)), tmp_path / "none", tmp_path / "out"
    assert c_program(plan, digest, none, out)[1].startswith("UNSUPPORTED_FORMAT: ")
    assert c_program(none, digest, pgm, out)[1].startswith("BUNDLE: ")


def test_a_volume_in_hu_has_the_same_masks(volume_program: Program, demo_bundle_path: Path, tmp_path: Path) -> None:
    hu = np.stack([phantom(seed, size=(SIDE, SIDE)).image for seed in range(13)]).astype("<i2") * 6 - 1255
    hu[0, 0, :4] = (-32768, 32767, -1250, 250)
    volume, out = tmp_path / "volume.raw", tmp_path / "mask.raw"
    volume.write_bytes(hu.tobytes())
    words = (*model(demo_bundle_path, "native"), SIDE, SIDE, -1250, 250, volume, out)
    assert volume_program(*words) == (0, "")
    with miniseg_edge.load(demo_bundle_path, "native") as segmenter:
        expected = np.stack([segmenter.segment_hu(slice_hu).mask for slice_hu in hu])
    np.testing.assert_array_equal(np.fromfile(out, np.uint8).reshape(hu.shape), expected)
    assert 0 < expected.mean() < 1


def test_what_is_wrong_with_a_volume(volume_program: Program, demo_bundle_path: Path, tmp_path: Path) -> None:
    plan, digest = model(demo_bundle_path, "native")
    volume, empty, out = tmp_path / "volume.raw", tmp_path / "empty.raw", tmp_path / "mask.raw"
    volume.write_bytes(bytes(2 * SIDE * SIDE + 2))
    empty.write_bytes(b"")
    window = (-1250, 250)
    for words, code in (
        ((plan, digest, SIDE, SIDE, *window, volume, out), "INPUT"),
        ((plan, digest, 0, SIDE, *window, volume, out), "INPUT"),
        ((plan, digest[::-1], SIDE, SIDE, *window, volume, out), "INTEGRITY"),
        ((tmp_path / "none", digest, SIDE, SIDE, *window, volume, out), "INPUT"),
    ):
        told = volume_program(*words)
        assert told[0] == 1
        assert told[1].startswith(f"{code}: ")
    assert not out.exists()
    assert volume_program("--help")[0] == 2
    assert volume_program(plan, digest, SIDE, SIDE, *window, empty, out) == (0, "")
    assert out.read_bytes() == b""
