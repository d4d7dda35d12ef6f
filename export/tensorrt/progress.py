"""Reports what the builder is doing, for the terminal."""

from collections.abc import Callable
from typing import Any

Tell = Callable[[str], None]
"""Called with a short description of the current work."""


def progress_monitor(trt: Any, tell: Tell) -> Any:
    """A vendor's progress monitor that reports the innermost phase and its step.

    Thread-safety: the vendor may call it from its own threads; `tell` must support that.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the vendor's classes are known only when it is loaded
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = num_steps
            tell(f"{phase_name}: {num_steps} steps")

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            tell(f"{phase_name}: {step + 1} of {self._steps.get(phase_name, step + 1)}")
            return True  # False would stop the build

    return Monitor()
