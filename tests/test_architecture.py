"""The rules of who may import whom, held twice: by reading the imports, and by looking at a fresh process."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VENDORS = {
    *("torch", "onnx", "onnxruntime", "openvino", "tensorrt", "nncf", "safetensors", "onnxscript", "rich"),
    *("tensorrt_rtx", "tensorrt_rtx_bindings", "cuda", "pydicom", "highdicom", "nibabel", "monai"),
    *("model_signing", "sigstore", "cryptography", "ray", "pyarrow", "fsspec", "pandas", "tritonclient"),
    *("starlette", "uvicorn", "prometheus_client"),
}


def imports(path: Path) -> set[str]:
    """Modules that a file imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


CORE = [path for path in sources("miniseg_edge") if "training" not in path.parts]


@pytest.mark.parametrize("path", [*CORE, *sources("runtimes")], ids=lambda path: path.name)
def test_core_and_runtimes_name_no_vendor(path: Path) -> None:
    """Vendors come through `require`, when a runtime is opened; rich only inside the terminal's functions."""
    allowed = {"rich"} if path.name == "terminal.py" else set()
    if path.parent.name == "serving":  # whose command imports these modules when it serves
        allowed = {"starlette", "uvicorn"}
    assert {name.split(".")[0] for name in imports(path)} & (VENDORS - allowed) == set()


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_core_knows_nothing_above_it(path: Path) -> None:
    above: tuple[str, ...] = ("miniseg_edge.training", "miniseg_edge.export", "miniseg_edge.benchmarks")
    if path.name != "__init__.py":  # the package itself shows the Segmenter
        above = (*above, "miniseg_edge.runtimes")
    assert not [name for name in imports(path) for root in above if name == root or name.startswith(f"{root}.")]


def test_export_and_benchmarks_do_not_know_each_other() -> None:
    assert not [n for p in sources("export") for n in imports(p) if n.startswith("miniseg_edge.benchmarks")]
    assert not [n for p in sources("benchmarks") for n in imports(p) if n.startswith("miniseg_edge.export")]


def test_runtimes_know_only_the_core() -> None:
    """All but the reference, which is the network as trained."""
    for path in sources("runtimes"):
        found = {n for n in imports(path) if n.startswith(("miniseg_edge.training", "miniseg_edge.export"))}
        assert not found or path.name == "torch.py", path


def loaded_after(code: str) -> set[str]:
    """Top-level packages in a fresh process after `code`."""
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(shown.splitlines()[-1].split())


@pytest.mark.parametrize(
    "module",
    [
        "miniseg_edge",
        "miniseg_edge.studies",
        "miniseg_edge.runtimes.segment_command",
        "miniseg_edge.runtimes.verify_command",
        "miniseg_edge.runtimes.serving.command",
        "miniseg_edge.runtimes.openvino",
        "miniseg_edge.runtimes.onnxruntime",
        "miniseg_edge.runtimes.onnxruntime_cuda",
        "miniseg_edge.runtimes.torch",
        "miniseg_edge.runtimes.tensorrt.runtime",
        "miniseg_edge.export.command",
    ],
)
def test_importing_loads_no_vendor(module: str) -> None:
    assert loaded_after(f"import {module}") & VENDORS == set()


@pytest.mark.parametrize(("runtime", "package"), [("openvino", "openvino"), ("onnxruntime", "onnxruntime")])
def test_a_segmentation_loads_one_vendor(demo_bundle_path: Path, runtime: str, package: str) -> None:
    loaded = loaded_after(
        "import numpy, miniseg_edge\n"
        f"with miniseg_edge.load({str(demo_bundle_path)!r}, {runtime!r}) as segmenter:\n"
        "    segmenter.segment(numpy.zeros((64, 64), numpy.uint8))"
    )
    assert loaded & VENDORS == {package}


def test_logging_is_silent_until_asked_for(demo_bundle_path: Path) -> None:
    code = f"import miniseg_edge; miniseg_edge.load({str(demo_bundle_path)!r}).close()"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (shown.stdout, shown.stderr) == ("", "")
