import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.errors import MissingDependencyError
from miniseg_edge.host.dependencies import FLOORS, NAMED, check_installed, installed, require, versions


def output_of(code: str) -> str:
    """What a fresh process prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


class TestRequire:
    def test_an_installed_module_is_returned(self) -> None:
        assert require("numpy.linalg", "export") is np.linalg

    def test_a_missing_one_names_the_command_that_installs_it(self) -> None:
        with pytest.raises(MissingDependencyError, match=r'pip install "miniseg-edge\[openvino\]"') as caught:
            require("no_such_package", "openvino")
        assert "no_such_package" in caught.value.problem

    def test_the_reason_is_kept(self) -> None:
        with pytest.raises(MissingDependencyError, match="No module named 'no_such_package'") as caught:
            require("no_such_package", "openvino")
        assert isinstance(caught.value.__cause__, ImportError)

    @pytest.mark.parametrize("kind", ["ImportError", "OSError"])
    def test_a_package_that_lacks_a_library_names_the_library(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        # Extension modules raise ImportError; packages that load their libraries by ctypes, such as torch, OSError.
        (tmp_path / "lacking.py").write_text(f"raise {kind}('libcudart.so.12: cannot open shared object file')")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(MissingDependencyError, match=r"libcudart\.so\.12: cannot open"):
            require("lacking", "torch")


class TestInstalled:
    def test_what_is_there_is_installed(self) -> None:
        assert installed("numpy")

    def test_what_is_not_there_is_not(self) -> None:
        assert not installed("no_such_package")

    def test_asking_imports_nothing(self) -> None:
        code = """
import sys
from miniseg_edge.host.dependencies import check_installed, installed
installed("onnxruntime"), check_installed(["onnxruntime"], "onnxruntime")
print("onnxruntime" in sys.modules)
"""
        assert output_of(code) == "False\n"

    def test_nothing_missing_is_no_error(self) -> None:
        check_installed(["numpy", "cv2"], "export")

    def test_all_that_is_missing_is_listed_and_nothing_else(self) -> None:
        with pytest.raises(
            MissingDependencyError, match=r'got no nothing_a, nothing_b\. Run: pip install "miniseg-edge\[train\]"'
        ):
            check_installed(["nothing_a", "numpy", "nothing_b"], "train")


class TestVersions:
    def test_they_are_those_of_the_distributions(self) -> None:
        assert versions(["numpy"]) == {"numpy": np.__version__}

    def test_what_is_not_installed_is_left_out(self) -> None:
        assert versions(["no-such-distribution"]) == {}

    def test_records_name_the_vendor_of_each_runtime(self) -> None:
        assert {"torch", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt_rtx_cu13_libs"} <= {*NAMED}
        assert {"numpy", "torch", "openvino"} <= versions().keys()


class TestWithoutOpenCV:
    def test_the_package_can_be_imported(self) -> None:
        assert output_of("import sys; sys.modules['cv2'] = None; import miniseg_edge; print('ok')") == "ok\n"

    def test_a_slice_of_the_right_size_needs_none(self) -> None:
        code = """
import sys
sys.modules["cv2"] = None
import numpy as np
from miniseg_edge.slices.preprocessing import network_input
print(network_input(np.zeros((4, 4), np.float32), (4, 4)).shape)
"""
        assert output_of(code) == "(1, 1, 4, 4)\n"

    @pytest.mark.parametrize(
        "call",
        [
            "preprocessing.resized(np.zeros((4, 4), np.float32), (8, 8))",
            "images.png_from_pixels(np.zeros((4, 4), np.uint8))",
            "images.overlay(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8))",
        ],
    )
    def test_what_needs_it_says_how_to_get_it_every_time(self, call: str) -> None:
        code = f"""
import sys
sys.modules["cv2"] = None
import numpy as np
from miniseg_edge.slices import images
from miniseg_edge.slices import preprocessing
from miniseg_edge.errors import MissingDependencyError
for attempt in range(2):
    try:
        {call}
    except MissingDependencyError as error:
        print(error)
"""
        lines = output_of(code).splitlines()
        assert len(lines) == 2
        for line in lines:
            assert line.startswith("MISSING_DEPENDENCY: OpenCV cannot be loaded")
            assert "pip install opencv-python-headless" in line


class TestFloors:
    """Versions with known holes are refused before they are imported, and before a file from elsewhere reaches them."""

    @pytest.fixture
    def outdated(self, tmp_path: Path) -> dict[str, str]:
        """An environment whose metadata say that torch and onnx are old; both are there and new."""
        for name, version in (("torch", "2.9.1+cpu"), ("onnx", "1.20.0rc2")):
            folder = tmp_path / f"{name}-{version}.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        return {**os.environ, "PYTHONPATH": str(tmp_path)}

    @pytest.mark.parametrize("name", FLOORS)
    def test_what_is_too_old_is_not_imported(self, outdated: dict[str, str], name: str) -> None:
        code = (
            "import sys\n"
            "from miniseg_edge.host.dependencies import check_installed, require\n"
            "from miniseg_edge.errors import OutdatedDependencyError\n"
            f"for ask in (lambda: require('{name}', 'export'), lambda: check_installed(['{name}'], 'export')):\n"
            "    try:\n        ask()\n"
            "    except OutdatedDependencyError as error:\n        print(error)\n"
            f"print('{name}' in sys.modules)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], env=outdated, capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        assert len(lines) == 3
        assert lines[0].startswith(f"OUTDATED_DEPENDENCY: {name} has known vulnerabilities")
        assert lines[2] == "False"

    def test_a_checkpoint_is_not_read_by_it(self, outdated: dict[str, str], tmp_path: Path) -> None:
        export = str(Path(sys.executable).with_name("miniseg-export"))
        command = [export, str(tmp_path / "absent.pth"), "--target", "onnx"]
        done = subprocess.run(command, env=outdated, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "OUTDATED_DEPENDENCY" in done.stderr

    def test_what_is_installed_here_is_new_enough(self) -> None:
        for name in FLOORS:
            check_installed([name], "export")

    def test_pyproject_asks_for_no_less(self) -> None:
        tomllib = pytest.importorskip("tomllib")
        wanted = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
        asked = [line for extra in wanted["project"]["optional-dependencies"].values() for line in extra]
        for name, floor in FLOORS.items():
            assert {line for line in asked if line.startswith(f"{name}>=")} == {f"{name}>={'.'.join(map(str, floor))}"}
