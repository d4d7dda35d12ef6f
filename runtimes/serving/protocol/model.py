"""A bundle as the protocol's clients see it: a model with a version, inputs of grey or HU slices, and a mask."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miniseg_edge.errors import UnknownModelError
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter

VERSION = "1"
GREY_INPUT, HU_INPUT = "slice", "slice_hu"
OUTPUT, OUTPUT_DATATYPE = "mask", "UINT8"

DATATYPES = {GREY_INPUT: ("UINT8", "FP32"), HU_INPUT: ("INT16", "FP32")}
"""Datatypes of each input; the metadata name the first, because they have room for one."""

_MEANINGS = {GREY_INPUT: "grey value, 0..255", HU_INPUT: "HU"}
_ANY = -1


@dataclass(frozen=True)
class ServedModel:
    """What is served.

    Attributes:
        name: in paths.
        channels: of a slice; 1 is (H, W).
        inputs: a request must contain exactly one of them.
        runtime, device, precision, bundle_digest: what runs; included in each answer.
    """

    name: str
    channels: int
    inputs: tuple[str, ...]
    runtime: str
    device: str
    precision: str
    bundle_digest: str

    @property
    def axes(self) -> int:
        """Axes of an input: slices, height, width, and channels if there are several."""
        return 3 if self.channels == 1 else 4

    @property
    def provenance(self) -> dict[str, str]:
        """What ran, as parameters of an answer."""
        return {
            "runtime": self.runtime,
            "device": self.device,
            "precision": self.precision,
            "bundle_digest": self.bundle_digest,
        }

    def metadata(self) -> dict[str, Any]:
        """The protocol's model metadata; -1 is a free side."""
        sides = [_ANY] * 3 + ([] if self.channels == 1 else [self.channels])
        return {
            "name": self.name,
            "versions": [VERSION],
            "platform": f"miniseg_edge_{self.runtime}",
            "inputs": [
                {
                    "name": name,
                    "datatype": DATATYPES[name][0],
                    "shape": sides,
                    "parameters": {"meaning": _MEANINGS[name], "datatypes": ", ".join(DATATYPES[name])},
                }
                for name in self.inputs
            ],
            "outputs": [{"name": OUTPUT, "datatype": OUTPUT_DATATYPE, "shape": [_ANY] * 3}],
            "parameters": self.provenance,
        }


def served_model(segmenter: Segmenter, name: str | None = None) -> ServedModel:
    """The model of an opened bundle, under its own name or another."""
    manifest = segmenter.bundle.manifest
    return ServedModel(
        name=name or segmenter.bundle.name,
        channels=manifest.interface.channels,
        inputs=(GREY_INPUT,) if manifest.preprocessing.window is None else (GREY_INPUT, HU_INPUT),
        runtime=segmenter.choice.entry.name,
        device=segmenter.choice.device,
        precision=segmenter.choice.artifact.precision,
        bundle_digest=manifest.digest,
    )


def check_model(model: ServedModel, path: Mapping[str, str]) -> None:
    """Refuses a path with another model or version. Raises: UnknownModelError."""
    if path["model"] != model.name:
        raise UnknownModelError("unknown model", expected=model.name, got="another name")
    if path.get("version", VERSION) != VERSION:
        raise UnknownModelError("unknown version", expected=VERSION, got="another")
