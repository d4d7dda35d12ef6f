"""The rules of who may import whom, held twice: by reading the imports, and by looking at a fresh process."""

import ast
import re
import subprocess
import sys
from collections.abc import Container
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("miniseg_edge", "runtimes", "export", "benchmarks")
VENDORS = {
    *("torch", "onnx", "onnxruntime", "openvino", "tensorrt", "nncf", "safetensors", "onnxscript", "rich"),
    *("tensorrt_rtx", "tensorrt_rtx_bindings", "cuda", "pydicom", "highdicom", "nibabel", "monai"),
    *("model_signing", "sigstore", "cryptography", "ray", "pyarrow", "fsspec", "duckdb", "pandas", "tritonclient"),
    *("starlette", "h11", "prometheus_client", "pynetdicom", "dicomweb_client", "requests"),
}


@cache
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


def test_core_and_runtimes_name_no_vendor() -> None:
    """Vendors come through `require`, when a runtime is opened; rich only inside the terminal's functions."""

    def allowed(path: Path) -> set[str]:
        if "serving" in path.parts:  # whose command imports these modules when it serves
            return {"starlette", "h11"}
        if path.parent.name == "associations" and path.name == "server.py":  # imported when the node opens its port
            return {"pynetdicom"}
        return {"rich"} if path.name == "terminal.py" else set()

    paths = [*CORE, *sources("runtimes")]
    named = {path: {name.split(".")[0] for name in imports(path)} & (VENDORS - allowed(path)) for path in paths}
    assert {path: vendors for path, vendors in named.items() if vendors} == {}


def test_core_knows_nothing_above_it() -> None:
    above = ("miniseg_edge.training", "miniseg_edge.export", "miniseg_edge.benchmarks", "miniseg_edge.runtimes")
    known = {(path, root) for path in CORE for name in imports(path) for root in above if is_within(name, root)}
    # The package itself shows the Segmenter.
    assert known <= {(ROOT / "miniseg_edge" / "__init__.py", "miniseg_edge.runtimes")}


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_export_and_benchmarks_do_not_know_each_other() -> None:
    assert not [n for p in sources("export") for n in imports(p) if n.startswith("miniseg_edge.benchmarks")]
    assert not [n for p in sources("benchmarks") for n in imports(p) if n.startswith("miniseg_edge.export")]


def test_runtimes_know_only_the_core() -> None:
    """All but the reference, which is the network as trained."""
    for path in sources("runtimes"):
        found = {n for n in imports(path) if n.startswith(("miniseg_edge.training", "miniseg_edge.export"))}
        assert not found or path.name == "torch.py", path


def test_only_one_module_starts_python() -> None:
    """What it starts does not import from the current folder; multiprocessing's children do, as they begin."""
    allowed = {"children.py", "vendor.py"}  # the latter starts the vendors' own programs, which lie beside it
    for path in sources(*FOLDERS):
        text = path.read_text(encoding="utf-8")
        assert "multiprocessing" not in imports(path), path
        assert "sys.executable" not in text or path.name in allowed, path


PACKAGES = {folder: folder if folder == "miniseg_edge" else f"miniseg_edge.{folder}" for folder in FOLDERS}


def modules() -> dict[str, Path]:
    """Ours, by their full names."""
    found = {}
    for folder, package in PACKAGES.items():
        for path in sources(folder):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join((package, *(part for part in parts if part != "__init__")))] = path
    return found


def modules_imported(path: Path, known: Container[str]) -> set[str]:
    """Those of `known` that a file imports, at any depth of its code: a package only for what is defined in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in known else str(node.module) for full in names.values()}
    return {name for name in found if name in known}


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()
    order = TopologicalSorter({name: modules_imported(path, known) - {name} for name, path in known.items()})
    order.prepare()  # raises CycleError, which names the circle


def test_folders_of_benchmarks_are_not_overfull() -> None:
    folders = {path.parent for path in sources("benchmarks")}
    assert {
        folder.name: len(list(folder.glob("*.py"))) for folder in folders if len(list(folder.glob("*.py"))) > 15
    } == {}


def loaded_after(code: str) -> set[str]:
    """Top-level packages in a fresh process after `code`."""
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(shown.splitlines()[-1].split())


def test_importing_loads_no_vendor() -> None:
    modules = (
        "miniseg_edge",
        "miniseg_edge.studies",
        "miniseg_edge.runtimes.segment_command",
        "miniseg_edge.runtimes.verification.command",
        "miniseg_edge.runtimes.serving.command",
        "miniseg_edge.runtimes.node.command",
        "miniseg_edge.runtimes.doctor.command",
        "miniseg_edge.runtimes.backends.native",
        "miniseg_edge.runtimes.backends.openvino",
        "miniseg_edge.runtimes.backends.onnxruntime",
        "miniseg_edge.runtimes.backends.cuda.onnxruntime_cuda",
        "miniseg_edge.runtimes.backends.torch",
        "miniseg_edge.runtimes.backends.tensorrt.runtime",
        "miniseg_edge.export.command",
        "miniseg_edge.export.demo",
    )
    assert loaded_after("\n".join(f"import {module}" for module in modules)) & VENDORS == set()


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


def test_text_goes_out_where_it_is_escaped() -> None:
    """Loggers, parsers and pages of ours are made in one module each, which escapes what is not for reading."""
    doors = {
        "logs.py": r"logging\.getLogger\(__name__\)",
        "commands.py": r"argparse\.ArgumentParser\(",
        "printable.py": r"from html import|html\.escape",
    }
    texts = {path: path.read_text(encoding="utf-8") for path in sources(*FOLDERS)}
    open_at = {
        path
        for path, text in texts.items()
        for door, what in doors.items()
        if path.name != door and re.search(what, text)
    }
    assert open_at <= {ROOT / "miniseg_edge" / "__init__.py"}
