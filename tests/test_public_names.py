import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy

import miniseg_edge


def test_the_public_names_are_these() -> None:
    # Names are part of the interface: a change here breaks the programs that import them.
    assert sorted(miniseg_edge.__all__) == [
        "Bundle",
        "MiniSegError",
        "Segmentation",
        "Segmenter",
        "VolumeSegmentation",
        "__version__",
        "load",
        "open_bundle",
    ]
    assert all(hasattr(miniseg_edge, name) for name in miniseg_edge.__all__)


def test_a_checkout_that_hides_the_installed_package_says_so(tmp_path: Path) -> None:
    """Half of the package lies in miniseg_edge/ of a checkout, which Python finds first where it is started there."""
    half = Path(miniseg_edge.__file__).parent
    shutil.copytree(half, tmp_path / "miniseg_edge", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    paths = os.pathsep.join([str(tmp_path), str(Path(numpy.__file__).parents[1])])
    command = [sys.executable, "-S", "-c", "import miniseg_edge"]  # without the links of an editable installation
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install -e ." in done.stderr.splitlines()[-1]
