"""A real Triton server on loopback, where one is at hand; `make triton` installs it from the package index.

It is the server of NVIDIA's PyTriton, which comes with the backend for Python alone. So the server, its parser of
configurations, its scheduler, its batcher and its protocol are Triton's own; what opens the model is `backends.py`.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[3]
INSTALLED = ROOT / "build" / "triton"
SERVER = INSTALLED / "pytriton" / "tritonserver"
STUB = SERVER / "python_backend_stubs" / f"{sys.version_info.major}.{sys.version_info.minor}"
READY_WITHIN_S = 600
"""A busy machine is not a broken server."""


def obstacle() -> str | None:
    """Why no server can be started here, or None."""
    if not (SERVER / "bin" / "tritonserver").is_file():
        return "no Triton server is installed (make triton)"
    if not STUB.is_dir():
        return f"the Triton server has no backend for Python {STUB.name}"
    if not (_libraries() / str(sysconfig.get_config_var("INSTSONAME"))).is_file():
        return "this Python has no shared library, which the Triton server's backend needs"
    return None


def _libraries() -> Path:
    return Path(str(sysconfig.get_config_var("LIBDIR")))


@contextlib.contextmanager
def triton_server(repository: Path, folder: Path) -> Iterator[str]:
    """Serves a model repository while inside; `folder` is for what the server needs.

    Returns:
        "address:port" for HTTP, once every model is ready.
    """
    port = free_port()
    command = [
        *(SERVER / "bin" / "tritonserver", "--model-repository", repository, "--backend-directory", _backends(folder)),
        *("--http-address", "127.0.0.1", "--http-port", port, "--allow-grpc", "false", "--allow-metrics", "false"),
        *("--backend-config", f"python,stub-timeout-seconds={READY_WITHIN_S}"),
        "--disable-auto-complete-config",  # so that nothing is filled in that the configuration leaves out
    ]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, (_libraries(), INSTALLED / "nvidia_pytriton.libs"))),
        "MINISEG_ENGINES": sysconfig.get_path("purelib"),
    }
    log = folder / "server.log"
    with log.open("wb") as output:  # its working directory is where its Python finds numpy first
        server = subprocess.Popen(
            [str(word) for word in command], cwd=INSTALLED, env=environment, stdout=output, stderr=output
        )
    try:
        _wait(server, f"127.0.0.1:{port}", log)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _backends(folder: Path) -> Path:
    """The Python backend as the server wants it, and two that are written for it."""
    backends, here = folder / "backends", Path(__file__).parent
    shutil.copytree(SERVER / "backends" / "python", backends / "python")
    stub = Path(shutil.copy(STUB / "triton_python_backend_stub", backends / "python"))
    stub.chmod(0o755)
    for name in ("onnxruntime", "openvino"):
        (backends / name).mkdir()
        for file in ("model.py", "backends.py"):
            shutil.copy(here / file, backends / name)
    return backends


def _wait(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    from tritonclient.http import InferenceServerClient

    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), InferenceServerClient(address) as client:
            if client.is_server_ready():
                return
        time.sleep(0.2)
    pytest.fail(f"the Triton server did not take the repository:\n{log.read_text(errors='replace')[-4000:]}")
