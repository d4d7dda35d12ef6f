"""A deployed graph's inputs and outputs: values, channels, sizes."""

from dataclasses import dataclass

ANY = -1
"""A dimension that is only fixed when the graph is called."""

GREY, HU = "grey", "hu"
LOGIT, MASK = "logit", "mask"
MAX_CHANNELS = 64

NOT_FINITE = 255
"""Value of a mask's pixels whose logits are not finite: not a class, and never shown to a caller."""


@dataclass(frozen=True)
class TensorSpec:
    """A graph's input or output: name, shape (`ANY` for free sides), dtype, and meaning of the values."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    meaning: str

    def admits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape fits."""
        return len(shape) == len(self.shape) and all(
            wanted in (ANY, got) and got > 0 for wanted, got in zip(self.shape, shape, strict=True)
        )

    def __str__(self) -> str:
        """Shape and dtype, with `any` for free sides."""
        sides = ", ".join("any" if side == ANY else str(side) for side in self.shape)
        return f"({sides}) {self.dtype}"


@dataclass(frozen=True)
class GraphInterface:
    """How a graph is fed and what it returns; the same for all artefacts of a bundle.

    Attributes:
        values: "grey" (0..255), or "hu": the graph applies the bundle's window.
        result: "logit" maps over background, or "mask": the class of each pixel.
        channels: 1 for grey slices, otherwise the number of different channels of a slice: a colour image's, or
            neighbouring slices.
        dynamic_batch: whether the number of slices is free; otherwise one.
        dynamic_size: whether slices keep their own size; otherwise all are resized to one.
    """

    values: str = GREY
    result: str = LOGIT
    channels: int = 1
    dynamic_batch: bool = False
    dynamic_size: bool = False

    def __post_init__(self) -> None:
        if self.values not in (GREY, HU) or self.result not in (LOGIT, MASK):
            raise ValueError(f"values {GREY} or {HU}, and a result {LOGIT} or {MASK}")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise ValueError(f"1..{MAX_CHANNELS} channels")

    def input(self, size: tuple[int, int]) -> TensorSpec:
        """The graph's input for slices of `size` (height, width) pixels."""
        meaning = "grey value, 0..255" if self.values == GREY else "HU"
        return TensorSpec("slice", self._shape(self.channels, size), "float32", meaning)

    def output(self, size: tuple[int, int], classes: int) -> TensorSpec:
        """The graph's output for a network of `classes`, background included."""
        if self.result == MASK:
            meaning = f"class of each pixel, 0 background; {NOT_FINITE} where the logits are not finite"
            return TensorSpec(MASK, self._shape(1, size), "uint8", meaning)
        meaning = "each class minus background; lesion above 0"
        return TensorSpec(LOGIT, self._shape(classes - 1, size), "float32", meaning)

    def _shape(self, channels: int, size: tuple[int, int]) -> tuple[int, ...]:
        return (ANY if self.dynamic_batch else 1, channels, *((ANY, ANY) if self.dynamic_size else size))
