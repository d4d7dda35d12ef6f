"""One artefact of an export, by name. Importable without torch."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Build:
    """A target and a precision, as in `--target` and `--precision`."""

    target: str
    precision: str

    def __str__(self) -> str:
        return f"{self.target} {self.precision}"

    @property
    def folder(self) -> str:
        """The folder of its files in the bundle."""
        return self.target if self.precision == "fp32" else f"{self.target}-{self.precision}"
