"""Every class, flag, method and signature that we use, in the real bindings of each vendor and major version.

TensorRT's libraries cannot be had everywhere, but its bindings can; they import where empty libraries stand in for the
real ones, and that is enough to look names up.
"""

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from miniseg_edge.export.tensorrt.engine_from_onnx import _wanted_flags
from miniseg_edge.export.tensorrt.options import BY_DEFAULT
from tests.bindings.uses import NAMES, ROOT, Use, cuda_uses, uses

LOOK_UP = Path(__file__).with_name("look_up.py")

RTX_ONLY = {
    "ComputeCapability",
    "DynamicShapesKernelSpecializationStrategy",
    "EngineInvalidityDiagnostics",
    "EngineValidity",
    "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability",
    "IExecutionContext.is_stream_capturable",
    "IRuntimeCache.deserialize",
    "IRuntimeCache.serialize",
    "IRuntimeConfig.create_runtime_cache",
    "IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy",
    "IRuntimeConfig.set_runtime_cache",
    "Runtime.get_engine_validity",
}
"""What stands behind a vendor row's `builds_ahead` or `caches_kernels`."""

JETPACK_6 = "10.3.0"
"""Its TensorRT: the oldest that is served."""

NOT_YET = {"ICudaEngine.create_runtime_config", "IRuntimeConfig.set_execution_context_allocation_strategy"}
"""What it lacks: asked for only where a vendor's row says `caches_kernels`."""

FLAGS = [Use(f"BuilderFlag.{name}", None, (), "flags by name") for name in _wanted_flags(BY_DEFAULT)]


def looked_up(module: str, wanted: list[Use], *folders: Path) -> tuple[str, dict[str, str]]:
    """The version, and what is wrong of what: asked in a process of its own."""
    code = f"import sys; sys.path[:0] = {[str(f) for f in folders]!r}; sys.argv = ['', {module!r}]\n"
    script = code + LOOK_UP.read_text(encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, input=json.dumps(wanted), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["version"], {f"{path} ({where})": why for path, why, where in answer["wrong"]}


def is_rtx_only(use: Use) -> bool:
    return any(use.path == name or use.path.startswith(f"{name}.") for name in RTX_ONLY)


def test_every_file_that_speaks_to_a_vendor_is_looked_at() -> None:
    found = set()
    for folder in ("export/tensorrt", "runtimes/backends/tensorrt"):
        for path in (ROOT / folder).glob("*.py"):
            if "trt." in path.read_text(encoding="utf-8"):
                found.add(path.relative_to(ROOT).as_posix())
    assert found <= set(NAMES)


def test_there_is_much_to_look_up() -> None:
    paths = {use.path for use in uses()}
    assert len(paths) > 50
    assert {"Builder.build_serialized_network", "OnnxParser.parse", "IExecutionContext.execute_async_v3"} <= paths


def test_tensorrt_for_rtx_has_all_that_we_use() -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    assert looked_up("tensorrt_rtx_bindings", [*uses(), *FLAGS]) == ("1.7.1.116", {})


def test_a_wrong_use_is_found() -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    wrong = [
        Use("Builder.build_engine", 2, (), "removed long ago"),
        Use("BuilderFlag.FP16", None, (), "removed"),
        Use("OnnxParser.parse", 3, (), "one too many"),
        Use("OnnxParser", 1, (), "one too few"),
        Use("OnnxParser.parse", 1, ("folder",), "of another name"),
    ]
    _, found = looked_up("tensorrt_rtx_bindings", wrong)
    assert len(found) == len(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("version", [JETPACK_6, "10.16.1.11", "11.4.0.106"])
def test_tensorrt_has_all_that_we_use(version: str) -> None:
    bindings = bindings_of(version)
    late = NOT_YET if version == JETPACK_6 else set()
    wanted = [*uses(), *FLAGS]
    rtx_only = [use for use in wanted if is_rtx_only(use) or use.path in late]
    shared = [use for use in wanted if use not in rtx_only]
    assert looked_up("tensorrt_bindings", shared, bindings) == (version, {})
    _, absent = looked_up("tensorrt_bindings", rtx_only, bindings)
    assert len(absent) == len(rtx_only), "what is there need not be RTX's alone"


def test_cuda_has_all_that_we_use() -> None:
    pytest.importorskip("cuda.bindings.runtime")
    assert wrong_of_cuda(cuda_uses()) == []
    assert {"cudaMalloc", "cudaGraphLaunch", "cudaHostGetDevicePointer"} <= {use.path for use in cuda_uses()}


@pytest.mark.slow
def test_cuda_12_has_all_that_we_use() -> None:
    """JetPack 6 has CUDA 12.6; this is the oldest release for 12 that could be had."""
    assert wrong_of_cuda(cuda_uses(), installed("cuda-bindings==12.8.*")) == []


def test_a_wrong_use_of_cuda_is_found() -> None:
    pytest.importorskip("cuda.bindings.runtime")
    wrong = [Use("cudaMalloc", 2, (), "one too many"), Use("cudaNowhere", None, (), "never there")]
    assert [use for use, _ in wrong_of_cuda(wrong)] == wrong


def wrong_of_cuda(wanted: list[Use], *folders: Path) -> list[tuple[Use, str | None]]:
    """Uses that are not there or take another number of arguments, and the signature; asked in a process of its own."""
    names = sorted({use.path for use in wanted})
    code = f"import sys; sys.path[:0] = {[str(f) for f in folders]!r}\n" + (
        "import json; from cuda.bindings import driver, runtime\n"
        f"of = {{name: runtime if name.startswith('cuda') else driver for name in {names!r}}}\n"
        "found = {name: getattr(module, name) for name, module in of.items() if hasattr(module, name)}\n"
        "print(json.dumps({name: (one.__doc__ or '').split('\\n')[0] for name, one in found.items()}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    signatures: dict[str, str] = json.loads(done.stdout)
    wrong: list[tuple[Use, str | None]] = []
    for use in wanted:
        signature = signatures.get(use.path)
        is_call = use.arguments is not None and signature is not None and signature.startswith(f"{use.path}(")
        taken = signature.count(",") + 1 if signature and not signature.endswith("()") else 0
        if signature is None or (is_call and taken != use.arguments):
            wrong.append((use, signature))
    return wrong


def installed(wanted: str, finish: Callable[[Path], object] = lambda folder: None) -> Path:
    """A wheel's folder, without what it depends on, for all runs and their workers. Skips where it cannot be had.

    `finish` adds to the folder before it is used.
    """
    folder = ROOT / "build" / "bindings" / wanted
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{wanted}.lock")), tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        if not folder.exists():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", fresh, wanted]
            if (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode != 0:
                pytest.skip(f"{wanted} cannot be had here: {done.stderr.strip()[-200:]}")
            finish(Path(fresh))
            Path(fresh).rename(folder)
    return folder


def bindings_of(version: str) -> Path:
    """The bindings of a TensorRT, with empty libraries beside them."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64") or not all(map(shutil.which, ("gcc", "nm"))):
        pytest.skip("needs Linux on x86_64, gcc and nm")
    major = version.split(".", maxsplit=1)[0]
    wanted = f"tensorrt_cu{12 if version == JETPACK_6 else 13}_bindings=={version}"
    return installed(wanted, lambda folder: add_empty_libraries(folder, major))


def add_empty_libraries(folder: Path, major: str) -> None:
    (library,) = (folder / "tensorrt_bindings").glob("tensorrt*.so")
    listed = subprocess.run(["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True)
    symbols = [name for kind, name in (line.split() for line in listed.stdout.splitlines()) if kind == "U"]
    ours = [name for name in symbols if name.endswith("_INTERNAL") or name.startswith(("get", "initLib"))]
    source = folder / "stub.c"
    source.write_text("\n".join(f"void *{name}(void) {{ return 0; }}" for name in ours if "@" not in name))
    for name in ("nvinfer", "nvonnxparser", "nvinfer_plugin"):
        target = library.with_name(f"lib{name}.so.{major}")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", target, source], check=True, capture_output=True)
