"""A service in a process of its own, and what is said to it byte by byte."""

import http.client
import json
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PATIENCE_S = 120.0
_CODE = "import sys; from miniseg_edge.runtimes.serving.command import main"

Array = npt.NDArray[np.generic]
DATATYPES = {"uint8": "UINT8", "int16": "INT16", "float32": "FP32"}


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Looks again and again; fails only when a busy machine too would have done it long ago."""
    limit = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < limit, f"in vain: {what}"
        time.sleep(0.01)


@dataclass
class Reply:
    """An answer: status, headers in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The line of an error, which begins with its code."""
        found: str = json.loads(self.body)["error"]
        return found

    @property
    def head(self) -> dict[str, Any]:
        """The JSON of an answer with masks."""
        length = self.headers.get("inference-header-content-length")
        found: dict[str, Any] = json.loads(self.body if length is None else self.body[: int(length)])
        return found

    @property
    def mask(self) -> Array:
        """(N, H, W) uint8."""
        (output,) = self.head["outputs"]
        if "data" in output:
            return np.array(output["data"], np.uint8).reshape(output["shape"])
        data = self.body[int(self.headers["inference-header-content-length"]) :]
        assert output["parameters"]["binary_data_size"] == len(data)
        return np.frombuffer(data, np.uint8).reshape(output["shape"])


@dataclass
class Running:
    """A service that takes connections."""

    process: subprocess.Popen[str]
    port: int
    model: str
    tls: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def connection(self) -> http.client.HTTPConnection:
        """A new one."""
        if self.tls is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_S, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
        """One request on a connection of its own."""
        connection = self.connection()
        try:
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            return reply_on(connection)
        finally:
            connection.close()

    @property
    def infer_path(self) -> str:
        """Where masks are asked for."""
        return f"/v2/models/{self.model}/infer"

    def infer(self, slices: Array, **asked: Any) -> Reply:
        """Masks of slices, as `body_of` asks for them."""
        body, headers = body_of(slices, **asked)
        return self.ask("POST", self.infer_path, body, headers)

    @contextmanager
    def half_asked(self, slices: Array, **asked: Any) -> Iterator[Callable[[], Reply]]:
        """A request whose body came but for its last byte; what is given sends that and reads the answer."""
        body, headers = body_of(slices, **asked)
        connection = self.connection()
        try:
            connection.putrequest("POST", self.infer_path)
            for name, value in {**self.headers, **headers, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body[:-1])

            def rest() -> Reply:
                connection.send(body[-1:])
                return reply_on(connection)

            yield rest
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """A value of /metrics."""
        found = re.search(rf"^{re.escape(name)} (.+)$", self.ask("GET", "/metrics").body.decode(), re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    def wait_for_inside(self, count: int) -> None:
        """Until so many requests are inside."""
        wait_until(lambda: self.metric("miniseg_requests_inside") == count, f"{count} requests inside")

    def stopped(self) -> tuple[int, str, str]:
        """Exit code, standard output and error, after SIGTERM if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, error = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, error


def reply_on(connection: http.client.HTTPConnection) -> Reply:
    """The next answer on a connection."""
    got = connection.getresponse()
    return Reply(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())


def body_of(
    slices: Array,
    name: str = "slice",
    *,
    called: str | None = None,
    binary: bool = True,
    binary_output: bool = True,
    **parameters: Any,
) -> tuple[bytes, dict[str, str]]:
    """A request's body and headers."""
    tensor: dict[str, Any] = {"name": name, "shape": list(slices.shape), "datatype": DATATYPES[slices.dtype.name]}
    found: dict[str, Any] = {"inputs": [tensor], "parameters": {"binary_data_output": binary_output, **parameters}}
    if called is not None:
        found["id"] = called
    if not binary:
        tensor["data"] = slices.tolist()
        return json.dumps(found).encode(), {}
    tensor["parameters"] = {"binary_data_size": slices.nbytes}
    head = json.dumps(found).encode()
    return head + slices.tobytes(), {"Inference-Header-Content-Length": str(len(head))}


@contextmanager
def running(bundle: Path, folder: Path, *words: str, files: int | None = None, code: str = "") -> Iterator[Running]:
    """Starts a service on a free port and waits until it takes connections; ends it in any case.

    Args:
        bundle: to be served.
        folder: for what it writes.
        words: options.
        files: that it may open.
        code: that runs in its process before it starts.
    """
    port_file = folder / "port"
    if files is not None:
        code += f"; import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))"
    start = [sys.executable, "-c", f"{_CODE}\n{code.lstrip('; ')}\nsys.exit(main())"]
    command = [*start, str(bundle), "--port", "0", "--port-file", str(port_file), "--threads", "1", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            wait_until(lambda: port_file.exists() or process.poll() is not None, "the service's port")
            assert process.poll() is None, process.communicate()
            yield Running(process, int(port_file.read_text()), bundle.name)
        finally:
            process.kill()
