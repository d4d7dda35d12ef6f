"""One artefact that an export makes, by name. Importable without torch."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Build:
    """A target, as `--target` names it, and a precision, as `--precision` does."""

    target: str
    precision: str

    def __str__(self) -> str:
        return f"{self.target} {self.precision}"

    @property
    def folder(self) -> str:
        """Of its files in the bundle."""
        return self.target if self.precision == "fp32" else f"{self.target}-{self.precision}"
