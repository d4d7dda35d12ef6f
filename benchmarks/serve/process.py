"""A `miniseg-serve` for the load test, on a free port of loopback."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from miniseg_edge.errors import InferenceError
from miniseg_edge.host.children import python_command

_START_S, _STOP_S, _LOOK_S = 600.0, 60.0, 0.02
_SERVICE = "miniseg_edge.runtimes.serving.command"


@dataclass(frozen=True)
class Served:
    """A running service: its port, its process, and its model's name."""

    port: int
    pid: int
    model: str


@contextmanager
def served(bundle: Path, words: Sequence[str]) -> Iterator[Served]:
    """Starts a service with these options; afterwards it is stopped, and must exit with 0.

    Raises:
        InferenceError: it did not start, or did not exit properly; with the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="miniseg-serve-") as folder:
        port_file, log = Path(folder) / "port", Path(folder) / "log"
        command = python_command(_SERVICE, str(bundle), "--port", "0", "--port-file", str(port_file), *words)
        with log.open("wb") as writing, subprocess.Popen(command, stdout=writing, stderr=writing) as process:  # noqa: S603  our own
            try:
                _await_port(process, port_file, log)
                yield Served(int(port_file.read_text()), process.pid, bundle.name)
                process.terminate()
                if (code := process.wait(_STOP_S)) != 0:
                    raise _failure("the service did not end as it should", code, log)
            finally:
                process.kill()


def _await_port(process: subprocess.Popen[bytes], port_file: Path, log: Path) -> None:
    limit = time.monotonic() + _START_S
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > limit:
            raise _failure("the service did not start", process.poll(), log)
        time.sleep(_LOOK_S)


def _failure(problem: str, code: int | None, log: Path) -> InferenceError:
    return InferenceError(
        problem, expected="exit code 0 when it is told to stop", got=f"{code}: {log.read_text()[-2000:].strip()}"
    )
