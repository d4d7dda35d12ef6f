"""The parent's side of a measuring process: start, ask, end. `child` is the other side."""

import contextlib
import json
import subprocess
from types import TracebackType
from typing import Any, TypeVar

from miniseg_edge.errors import InferenceError
from miniseg_edge.host.children import python_command

_Process = TypeVar("_Process", bound="MeasuringProcess")


class MeasuringProcess:
    """A process that answers questions one by one.

    Thread-safety: one thread at a time.
    """

    def __init__(self, module: str, name: str) -> None:
        """Starts the process.

        Args:
            module: by its full name; its `main` calls `child.serve`.
            name: what is measured, for errors.
        """
        self.name = name
        self._process = subprocess.Popen(  # noqa: S603  our own module
            python_command(module),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, command: str, **arguments: Any) -> Any:
        """Runs one of the child's commands; arguments and answer are JSON values.

        Raises:
            InferenceError: the command failed (with its error message), or the process died.
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
            raise InferenceError(f"{self.name}: the process died", because=f"no answer to {command}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise InferenceError(f"{self.name} failed", because=str(answer["error"]))
        return answer["answer"]

    def close(self) -> None:
        """Ends the process; may be called twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # a question that a dead process did not read
                    stream.close()

    def __enter__(self: _Process) -> _Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
