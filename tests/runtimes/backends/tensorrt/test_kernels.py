from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.runtimes.backends.cuda.gpus import Gpu
from miniseg_edge.runtimes.backends.tensorrt.kernels import FOLDER_VARIABLE, KernelCache, cache_folder

ADA = Gpu(0, "NVIDIA RTX 4000 Ada/SFF", "8.9", "13.0", integrated=False)


def test_each_bundle_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert cache_folder("a" * 64) == tmp_path / ("a" * 64)
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users"))
    assert cache_folder("b" * 64).is_relative_to(tmp_path / "users" / "miniseg-edge")


@pytest.mark.parametrize(
    "other",
    [
        ("f" * 64, "1.7.1.116", replace(ADA, driver="13.1")),
        ("f" * 64, "1.7.1.116", replace(ADA, name="NVIDIA RTX 5000 Ada")),
        ("f" * 64, "1.8.0.1", ADA),
        ("e" * 64, "1.7.1.116", ADA),
    ],
)
def test_the_file_is_the_engines_versions_gpus_and_drivers(tmp_path: Path, other: tuple[str, str, Gpu]) -> None:
    path = KernelCache(tmp_path, "f" * 64, "1.7.1.116", ADA).path
    assert path.parent == tmp_path, "a GPU's name is no way out of the folder"
    assert KernelCache(tmp_path, *other).path != path
