"""The programs on OpenVINO, built and run: the same mask as Python, bit for bit, and the same refusals."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.phantoms import phantom
from tests.examples import EXAMPLES, SIDE, has_openssl, model, run, write_pgm


def built(source: str, compiler: str, standard: str, library: str, folder: Path) -> Path:
    """The program, with every warning an error, linked with the libraries of the openvino wheel."""
    found = importlib.util.find_spec("openvino")
    if found is None or found.origin is None or not (home := Path(found.origin).parent).joinpath("include").is_dir():
        pytest.skip("needs the openvino wheel with its headers")
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    if not has_openssl(compiler):
        pytest.skip("needs OpenSSL's headers (Debian: libssl-dev)")
    (shared_object,) = (home / "libs").glob(f"{library}.so*")
    program = folder / Path(source).stem
    subprocess.run(
        [compiler, f"-std={standard}", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", str(EXAMPLES / source),
         "-isystem", str(home / "include"), str(shared_object), f"-Wl,-rpath,{home / 'libs'}", "-lcrypto",
         "-o", str(program)], check=True,
    )  # fmt: skip
    return program


@pytest.fixture(scope="module")
def slice_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("segment_slice.c", "gcc", "c11", "libopenvino_c", tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="module")
def volume_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("segment_volume.cpp", "g++", "c++17", "libopenvino", tmp_path_factory.mktemp("cpp"))


@pytest.mark.slow
def test_c_draws_the_same_mask(slice_program: Path, demo_bundle_path: Path, tmp_path: Path) -> None:
    for seed in range(4):
        slice_ = phantom(seed, size=(SIDE, SIDE)).image
        mask = tmp_path / f"mask-{seed}.pgm"
        told = run(slice_program, *model(demo_bundle_path), write_pgm(tmp_path / "slice.pgm", slice_), mask)
        assert told == (0, "")
        with miniseg_edge.load(demo_bundle_path, "openvino") as segmenter:
            expected = segmenter.segment(slice_).mask * 255
        assert mask.read_bytes() == b"P5\n64 64\n255\n" + expected.tobytes()
        assert 0 < expected.mean() < 255


@pytest.mark.slow
def test_cpp_draws_the_same_volume(volume_program: Path, demo_bundle_path: Path, tmp_path: Path) -> None:
    hu = np.stack([phantom(seed, size=(SIDE, SIDE)).image for seed in range(13)]).astype("<i2") * 6 - 1255
    hu[0, 0, :4] = (-32768, 32767, -1250, 250)
    volume, out = tmp_path / "volume.raw", tmp_path / "mask.raw"
    volume.write_bytes(hu.tobytes())
    assert run(volume_program, *model(demo_bundle_path), -1250, 250, volume, out) == (0, "")
    with miniseg_edge.load(demo_bundle_path, "openvino") as segmenter:
        expected = np.stack([segmenter.segment_hu(slice_hu).mask for slice_hu in hu])
    np.testing.assert_array_equal(np.fromfile(out, np.uint8).reshape(hu.shape), expected)
    assert 0 < expected.mean() < 1


def test_a_changed_file_is_refused_before_it_is_parsed(
    slice_program: Path, volume_program: Path, demo_bundle_path: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(demo_bundle_path, tmp_path / "copy")
    weights = copy / "openvino/model.bin"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    out = tmp_path / "mask"
    pgm = write_pgm(tmp_path / "slice.pgm", np.zeros((SIDE, SIDE), np.uint8))
    for told in (
        run(slice_program, *model(copy), pgm, out),
        run(volume_program, *model(copy), -1250, 250, pgm, out),
    ):
        assert told[0] == 1
        assert told[1].startswith("INTEGRITY: ")
    assert not out.exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"P5\n64 64\n255\n" + bytes(100), "UNSUPPORTED_FORMAT"),
        (b"P5\n99999999 99999999\n255\n", "UNSUPPORTED_FORMAT"),
        (b"P6\n64 64\n255\n" + bytes(3 * 64 * 64), "UNSUPPORTED_FORMAT"),
        (b"P5\n32 32\n255\n" + bytes(32 * 32), "INPUT"),
        (b"", "UNSUPPORTED_FORMAT"),
    ],
)
def test_c_refuses_bad_slices(
    slice_program: Path, demo_bundle_path: Path, tmp_path: Path, data: bytes, code: str
) -> None:
    (tmp_path / "slice.pgm").write_bytes(data)
    told = run(slice_program, *model(demo_bundle_path), tmp_path / "slice.pgm", tmp_path / "mask.pgm")
    assert told[0] == 1
    assert told[1].startswith(f"{code}: ")
    assert not (tmp_path / "mask.pgm").exists()


def test_cpp_refuses_volumes_that_hold_no_whole_slices(
    volume_program: Path, demo_bundle_path: Path, tmp_path: Path
) -> None:
    for data in (b"", bytes(2 * SIDE * SIDE + 1)):
        (tmp_path / "volume.raw").write_bytes(data)
        told = run(volume_program, *model(demo_bundle_path), -1250, 250, tmp_path / "volume.raw", tmp_path / "mask")
        assert told[0] == 1
        assert told[1].startswith("INPUT: ")
    assert not (tmp_path / "mask").exists()


def test_wrong_usage_has_its_own_exit_code(slice_program: Path, volume_program: Path) -> None:
    assert run(slice_program)[0] == 2
    assert run(volume_program, "--help")[0] == 2
