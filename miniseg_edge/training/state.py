"""The state of a training on disk between two epochs, from which an interrupted training resumes."""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from miniseg_edge.console import terminal
from miniseg_edge.errors import OutputExistsError, UsageError
from miniseg_edge.host.files import bytes_from_file, replace_file

STATE_NAME = "state.pt"
_MAX_BYTES = 2**31


@dataclass(frozen=True)
class StateFile:
    """The state of one training.

    Attributes:
        path: of the file.
        fingerprint: of everything that the training depends on; the state of another training is not used.
    """

    path: Path
    fingerprint: str

    def read(self, *, overwrite: bool) -> Mapping[str, Any] | None:
        """The state; None if there is none, or if `overwrite` allows to replace another training's.

        Raises:
            OutputExistsError: it belongs to another training and may not be overwritten.
        """
        if not self.path.exists():
            return None
        found = self._content()
        if found is not None and found.get("fingerprint") == self.fingerprint:
            return found
        if not overwrite:
            raise OutputExistsError(
                f"{self.path.parent} contains another training",
                expected="the same data, recipe and seed, or an empty folder",
                got="others",
                remedy="Choose another --output or add --overwrite.",
            )
        return None

    def write(self, state: Mapping[str, Any]) -> None:
        """Saves the state; the old one is kept until the new one is complete. Raises: OutputError."""
        buffer = io.BytesIO()
        torch.save({**state, "fingerprint": self.fingerprint}, buffer)
        replace_file(self.path, buffer.getvalue())

    def remove(self) -> None:
        """The training is done."""
        self.path.unlink(missing_ok=True)

    def _content(self) -> dict[str, Any] | None:
        data = bytes_from_file(self.path, _MAX_BYTES, UsageError)
        try:
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
            terminal.warn(f"{self.path} is not a training state: {type(error).__name__}")
            return None
        return found if isinstance(found, dict) else None
