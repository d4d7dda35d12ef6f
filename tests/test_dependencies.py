import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from miniseg_edge.dependencies import check_installed, installed, require, versions
from miniseg_edge.errors import MissingDependencyError


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
from miniseg_edge.dependencies import check_installed, installed
installed("onnxruntime"), check_installed(["onnxruntime"], "onnxruntime")
print("onnxruntime" in sys.modules)
"""
        assert output_of(code) == "False\n"

    def test_nothing_missing_is_no_error(self) -> None:
        check_installed(["numpy", "cv2"], "export")

    def test_all_that_is_missing_is_listed_and_nothing_else(self) -> None:
        with pytest.raises(
            MissingDependencyError, match=r'got no nothing_a, nothing_b\. pip install "miniseg-edge\[train\]"'
        ):
            check_installed(["nothing_a", "numpy", "nothing_b"], "train")


class TestVersions:
    def test_they_are_those_of_the_distributions(self) -> None:
        assert versions(["numpy"]) == {"numpy": np.__version__}

    def test_what_is_not_installed_is_left_out(self) -> None:
        assert versions(["no-such-distribution"]) == {}


class TestWithoutOpenCV:
    def test_the_package_can_be_imported(self) -> None:
        assert output_of("import sys; sys.modules['cv2'] = None; import miniseg_edge; print('ok')") == "ok\n"

    def test_a_slice_of_the_right_size_needs_none(self) -> None:
        code = """
import sys
sys.modules["cv2"] = None
import numpy as np
from miniseg_edge.preprocessing import network_input
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
from miniseg_edge import images, preprocessing
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
