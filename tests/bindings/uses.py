"""What our code uses of the vendors' Python API, read from its source: nothing can be used and not be checked.

Our code calls a vendor's object by the same few names throughout; `NAMES` says of which class each is. What is asked of
the result of another call (`layer.get_output(0).dtype`) is not seen.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

NAMES: dict[str, dict[str, str]] = {
    "export/tensorrt/agreement.py": {
        "trt": "", "network": "INetworkDefinition", "layer": "ILayer", "tensor": "ITensor",
    },
    "export/tensorrt/engine_from_onnx.py": {
        "trt": "", "builder": "Builder", "network": "INetworkDefinition", "parser": "OnnxParser",
        "error": "ParserError", "config": "IBuilderConfig", "profile": "IOptimizationProfile",
        "timing_cache": "ITimingCache", "found.engine": "ICudaEngine", "inspector": "EngineInspector",
        "context": "IExecutionContext",
    },
    "export/tensorrt/progress.py": {"trt": ""},
    "runtimes/backends/tensorrt/admission.py": {"trt": "", "runtime": "Runtime"},
    "runtimes/backends/tensorrt/opening.py": {"trt": "", "runtime": "Runtime", "engine": "ICudaEngine"},
    "runtimes/backends/tensorrt/engine.py": {
        "trt": "", "self._engine": "ICudaEngine", "config": "IRuntimeConfig", "context": "IExecutionContext",
        "strategies": "ExecutionContextAllocationStrategy",
    },
    "runtimes/backends/tensorrt/kernels.py": {
        "config": "IRuntimeConfig", "cache": "IRuntimeCache", "self._cache": "IRuntimeCache",
    },
    "runtimes/backends/tensorrt/context.py": {"context": "IExecutionContext", "self._context": "IExecutionContext"},
    "runtimes/backends/tensorrt/logger.py": {"trt": "", "severity": "ILogger.Severity"},
}  # fmt: skip


class Use(NamedTuple):
    """A name below the vendor's module, such as `OnnxParser.parse`, and what it is called with, if it is called."""

    path: str
    arguments: int | None
    keywords: tuple[str, ...]
    where: str


def uses() -> list[Use]:
    """Every use in `NAMES`' files."""
    return sorted({use for file in NAMES for use in _uses_in(file)}, key=lambda use: (use.path, use.where))


def cuda_uses() -> list[Use]:
    """Every name of CUDA's runtime or driver, with the arguments that `checked` or `release` calls it with."""
    found = set()
    for path in sorted((ROOT / "runtimes/backends/cuda").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
        called = {id(node.args[0]): len(node.args) - 1 for node in calls}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "cuda":
                found.add(Use(node.attr, called.get(id(node)), (), f"{path.name}:{node.lineno}"))
    return sorted(found, key=lambda use: (use.path, use.where))


def _uses_in(file: str) -> Iterator[Use]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        path = _path(ast.unparse(node), NAMES[file])
        if path is not None:
            call = calls.get(id(node))
            keywords = () if call is None else tuple(str(keyword.arg) for keyword in call.keywords)
            yield Use(path, None if call is None else len(call.args), keywords, f"{file}:{node.lineno}")


def _path(text: str, names: dict[str, str]) -> str | None:
    """`trt.BuilderFlag.TF32` -> `BuilderFlag.TF32`; `config.get_flag` -> `IBuilderConfig.get_flag`; else None."""
    for name, owner in names.items():
        rest = text.removeprefix(f"{name}.")
        if rest != text and all(part.isidentifier() for part in rest.split(".")):
            return f"{owner}.{rest.split('.')[0]}" if owner else rest
    return None
