"""`python -m tests.gpu_first_run`: the first ten minutes on a GPU, in one archive of raw answers, to be test data.

Needs no pytest and no second try: each step says what it found, and the next one continues after failures. Steps
that can end a process (a fork, an exit with an engine open) run in processes of their own. Nothing of a patient is in
it: slices are segmented. See docs/gpu.md.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

import miniseg_edge
from miniseg_edge import training
from miniseg_edge.export.command import main as export
from miniseg_edge.host.dependencies import versions
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.backends.cuda.calls import checked, cuda_driver, cuda_runtime
from miniseg_edge.runtimes.backends.cuda.gpus import gpus
from miniseg_edge.runtimes.backends.cuda.primary import on_device
from miniseg_edge.runtimes.backends.tensorrt.logger import vendor_log
from miniseg_edge.runtimes.backends.tensorrt.opening import opened
from miniseg_edge.runtimes.backends.tensorrt.vendors import TENSORRT, TENSORRT_RTX, Vendor

DEMO = Path(training.__file__).with_name("demo.pth")
SIDE = 512


@dataclass
class Run:
    """Where answers go, and what the steps need of each other."""

    folder: Path
    vendor: Vendor
    side: int
    facts: dict[str, Any] = field(default_factory=dict)

    def note(self, name: str, value: Any) -> None:
        """Keeps an answer, raw."""
        self.facts[name] = value

    def save(self, name: str, data: str | bytes) -> None:
        """Keeps an answer as a file of the archive."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    def bundle(self, name: str, *words: str) -> Path:
        """Exports the demo network; what the command says goes into the archive."""
        path, said = self.folder / "bundles" / name, StringIO()
        size = ["--input-size", str(self.side), str(self.side)]
        with redirect_stdout(said), redirect_stderr(said):
            code = export([str(DEMO), "--target", self.vendor.target, *size, *words, "--output", str(path)])
        self.save(f"said/export-{name}.txt", said.getvalue())
        self.note(f"export {name}", code)
        if code != 0:
            raise RuntimeError(f"the export of {name} gave {code}: {said.getvalue()[-500:]}")
        return path

    @property
    def runtime(self) -> str:
        return self.vendor.name.replace("_", "-")


def machine(run: Run) -> None:
    """Names, multiprocessors, memory, versions."""
    run.note("python", sys.version)
    run.note("platform", platform.platform())
    run.note("versions", versions())
    run.note("gpus", [asdict(gpu) for gpu in gpus()])
    run.note(run.vendor.name, run.vendor.version())
    for command in (["nvidia-smi", "-q"], ["nvidia-smi"], ["cat", "/etc/nv_tegra_release"], ["nvpmodel", "-q"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            run.save(f"said/{command[0]}-{len(command)}.txt", done.stdout + done.stderr)
        except OSError:
            continue


def engine(run: Run, name: str, *words: str, compatible: bool = False) -> None:
    """An engine's inspector, with and without a context, and its memory by shapes."""
    path = run.bundle(name, *words)
    (file,) = path.rglob("model.engine")
    trt = run.vendor.module()
    with on_device(0):
        found = opened(run.vendor, file.read_bytes(), version_compatible=compatible)
        run.note(f"memory {name}", int(found.engine.get_device_memory_size_for_profile_v2(0)))
        inspector = found.engine.create_engine_inspector()
        run.save(f"inspected/{name}.json", inspector.get_engine_information(trt.LayerInformationFormat.JSON))
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = found.engine.create_execution_context(strategy)
        for side in (run.side, 2 * run.side):
            shape = (1, 1, side, side)
            if context.set_input_shape("slice", shape):
                run.note(f"memory {name} {shape}", int(context.update_device_memory_size_for_shapes()))
        context.set_input_shape("slice", (1, 1, run.side, run.side))
        inspector.execution_context = context
        run.save(f"inspected/{name}-context.json", inspector.get_engine_information(trt.LayerInformationFormat.JSON))
        del inspector, context, found


def half(run: Run) -> None:
    """FP16 at fixed shapes."""
    engine(run, "fp16")


def free(run: Run) -> None:
    """FP16 with free shapes; the first call of a new size is timed."""
    engine(run, "free", "--dynamic-batch", "--dynamic-size")
    with miniseg_edge.load(run.folder / "bundles" / "free", run.runtime) as segmenter:
        for side in (run.side, run.side // 2, run.side // 2, run.side):
            began = time.perf_counter()
            segmenter.runtime.infer(np.zeros((1, 1, side, side), np.float32))
            run.note(f"ms, free, {side}, {len(run.facts)}", 1e3 * (time.perf_counter() - began))


def version_compatible(run: Run) -> None:
    """A version-compatible engine, opened both ways."""
    engine(run, "compatible", "--version-compatible", compatible=True)
    (file,) = (run.folder / "bundles" / "compatible").rglob("model.engine")
    with on_device(0):
        try:
            opened(run.vendor, file.read_bytes(), version_compatible=False)
            run.note("compatible without host code", "it opened")
        except Exception as error:
            run.note("compatible without host code", str(error))


def network(run: Run) -> None:
    """FP32 and FP16 to parity, the CUDA graph, latency, eight threads to the last bit."""
    run.bundle("exact", "--precision", "fp32")
    slices = [phantom(seed, size=(run.side, run.side)).image for seed in range(16)]
    for name in ("exact", "fp16"):
        with miniseg_edge.load(run.folder / "bundles" / name, run.runtime) as segmenter:
            serial = [segmenter.segment(slice_).logit for slice_ in slices]
            with ThreadPoolExecutor(8) as pool:
                together = [found.logit for found in pool.map(segmenter.segment, slices)]
            same = [bool((a == b).all()) for a, b in zip(serial, together, strict=True)]
            run.note(f"{name}: the same in 8 threads", all(same))
            values = np.zeros((1, 1, run.side, run.side), np.float32)
            took = []
            for _ in range(200):
                began = time.perf_counter()
                segmenter.runtime.infer(values)
                took.append(1e3 * (time.perf_counter() - began))
            run.note(f"{name}: ms p50, p99", [float(np.percentile(took, at)) for at in (50, 99)])


def rebuild(run: Run) -> None:
    """The FP16 bundle, rebuilt."""
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = export(["--rebuild", str(run.folder / "bundles" / "fp16")])
    run.save("said/rebuild.txt", said.getvalue())
    run.note("rebuild", code)
    if code != 0:
        raise RuntimeError(said.getvalue()[-500:])


def int8(run: Run) -> None:
    """INT8: its inspector's answer is what the check of quantized layers was written for."""
    from miniseg_edge.slices.images import write_png

    slices = run.folder / "slices"
    for seed in range(16):
        write_png(slices / f"{seed}.png", phantom(300 + seed, size=(run.side, run.side)).image)
    engine(run, "int8", "--precision", "int8", "--calibration", str(slices))


def zero_copy(run: Run) -> None:
    """Copies, and pages that GPU and host share: the same bytes there and back by each."""
    from miniseg_edge.runtimes.backends.cuda.memory import Buffer

    cuda, size = cuda_runtime(), 4 * run.side * run.side
    with on_device(0):
        stream = checked(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking)
        for shared in (False, True):
            buffer = Buffer(size, shared=shared)
            scratch = checked(cuda.cudaMalloc, size)
            kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToDevice
            began = time.perf_counter()
            for _ in range(100):
                buffer.to_device(size, stream)
                checked(cuda.cudaMemcpyAsync, scratch, buffer.device, size, kind, stream)
                buffer.to_host(size, stream)
            checked(cuda.cudaStreamSynchronize, stream)
            run.note(f"ms for a slice there and back, shared={shared}", 10 * (time.perf_counter() - began))
            checked(cuda.cudaFree, scratch)
            buffer.release()
        checked(cuda.cudaStreamDestroy, stream)


def second_device(run: Run) -> None:
    """Another GPU, if there is one."""
    found = gpus()
    if len(found) < 2:
        run.note("second device", "there is none")
        return
    run.bundle("second", "--device", found[1].device)
    with miniseg_edge.load(run.folder / "bundles" / "second", run.runtime, found[1].device) as segmenter:
        segmenter.segment(phantom(1, size=(run.side, run.side)).image)
    run.note("second device", "it ran")


def own_context(run: Run) -> None:
    """A context of the host's own is current before and after."""
    cuda = cuda_driver()
    checked(cuda.cuInit, 0)
    device = checked(cuda.cuDeviceGet, 0)
    try:
        own = checked(cuda.cuCtxCreate, None, 0, device)  # CUDA 13
    except TypeError:
        own = checked(cuda.cuCtxCreate, 0, device)
    try:
        with miniseg_edge.load(run.folder / "bundles" / "fp16", run.runtime) as segmenter:
            segmenter.segment(phantom(1, size=(run.side, run.side)).image)
            run.note("own context is current", int(checked(cuda.cuCtxGetCurrent)) == int(own))
    finally:
        checked(cuda.cuCtxDestroy, own)


def in_a_process(run: Run, name: str, code: str) -> None:
    """Runs code in a process of its own; its end and its words are the answer."""
    head = "import miniseg_edge; from miniseg_edge.phantoms import phantom\n"
    head += f"b = {str(run.folder / 'bundles' / 'fp16')!r}\n"
    head += f"slice_ = phantom(1, size=({run.side}, {run.side})).image; runtime = {run.runtime!r}\n"
    command = [sys.executable, "-c", head + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    run.note(name, {"code": done.returncode, "out": done.stdout[-2000:], "err": done.stderr[-2000:]})


def fork(run: Run) -> None:
    """A child of a process that has used the GPU."""
    in_a_process(run, "fork", (
        "import os\n"
        "s = miniseg_edge.load(b, runtime); s.segment(slice_)\n"
        "if (child := os.fork()) == 0:\n"
        "    for ask in (lambda: s.segment(slice_), lambda: miniseg_edge.load(b, runtime)):\n"
        "        try: ask(); print('it ran', flush=True)\n"
        "        except Exception as error: print(type(error).__name__, error, flush=True)\n"
        "    os._exit(0)\n"
        "print(os.waitpid(child, 0)); s.segment(slice_); s.close(); print('parent goes on')"
    ))  # fmt: skip


def exits(run: Run) -> None:
    """The end of a process with an engine open."""
    in_a_process(run, "exit", "s = miniseg_edge.load(b, runtime); s.segment(slice_); print('end')")


def bare_cuda(run: Run) -> None:
    """What CUDA alone does, where no engine runs: memory, streams, a capture."""
    cuda = cuda_runtime()
    with on_device(0):
        stream = checked(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking)
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        checked(cuda.cudaStreamBeginCapture, stream, mode)
        run.note("cudaMalloc in a capture", str(cuda.cudaMalloc(1024)[0]))
        run.note("end of a spoiled capture", str(cuda.cudaStreamEndCapture(stream)[0]))
        run.note("last error after it", str(cuda.cudaGetLastError()[0]))
        checked(cuda.cudaStreamDestroy, stream)
        run.note("free, total", [int(value) for value in cuda.cudaMemGetInfo()[1:]])


STEPS: tuple[Callable[[Run], None], ...] = (
    machine, bare_cuda, half, free, version_compatible, network, rebuild, int8, zero_copy, second_device, own_context,
    fork, exits,
)  # fmt: skip
"""In the order of what is worth most, should the machine's time end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the steps and writes the archive; 0 if every step went through."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_first_run", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("gpu-first-run.tar.gz"))
    parser.add_argument("--rtx", action="store_true", help="TensorRT for RTX instead of TensorRT")
    parser.add_argument("--side", type=int, default=SIDE)
    parsed = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), TENSORRT_RTX if parsed.rtx else TENSORRT, parsed.side)
        os.environ.setdefault("MINISEG_EDGE_CACHE", str(Path(folder) / "cache"))
        for step in STEPS:
            began = time.perf_counter()
            try:
                step(run)
                ended = "went through"
            except (Exception, SystemExit) as error:
                failed += 1
                ended = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
                run.save(f"failed/{step.__name__}.txt", traceback.format_exc())
            run.note(f"step {step.__name__}", {"ended": ended, "s": round(time.perf_counter() - began, 1)})
            print(f"{step.__name__}: {ended}", flush=True)  # noqa: T201  this is a command
            _write(run, parsed.output)  # after each, because the machine may end first
    print(f"{parsed.output} has the answers; {failed} of {len(STEPS)} steps failed")  # noqa: T201
    return int(failed > 0)


def _write(run: Run, output: Path) -> None:
    try:
        heard = vendor_log(run.vendor.module()).reason()
    except Exception:
        heard = ""
    run.save("facts.json", json.dumps({**run.facts, "last words of the vendor": heard}, indent=1, default=str))
    with tarfile.open(output, "w:gz") as archive:
        for path in sorted(run.folder.rglob("*")):
            small = path.is_file() and path.suffix not in (".engine", ".onnx", ".safetensors", ".npy", ".kernels")
            if small and not path.is_symlink():
                archive.add(path, path.relative_to(run.folder))


if __name__ == "__main__":
    sys.exit(main())
