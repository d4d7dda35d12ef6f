"""The parent's side of a worker: start, ask, end."""

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from miniseg_edge.benchmarks.configuration import Configuration
from miniseg_edge.errors import InferenceError


class WorkerProcess:
    """One configuration's process.

    Not thread-safe: one parent, one question at a time.
    """

    def __init__(self, configuration: Configuration, bundle: Path, slices: list[Path], streams: int = 1) -> None:
        """Starts the process and opens the configuration in it.

        Raises:
            InferenceError: it cannot be opened; the reason is the worker's.
        """
        self.configuration = configuration
        start = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "miniseg_edge.benchmarks.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            self.opening = self.ask(
                "open",
                configuration=asdict(configuration),
                bundle=str(bundle),
                slices=[str(path) for path in slices],
                streams=streams,
            )
        except InferenceError:
            self.close()
            raise
        self.cold_start_s = time.perf_counter() - start

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def close(self) -> None:
        """Ends the process; may be called twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Has the worker do one of `worker.Worker`'s commands.

        Raises:
            InferenceError: the command failed, or the process is gone.
        """
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise InferenceError(f"{self.configuration.name}: the process died", "an answer", f"none to {command}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise InferenceError(f"{self.configuration.name} failed", "an answer", str(answer["error"]))
        found: dict[str, Any] = answer["answer"]
        return found

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
