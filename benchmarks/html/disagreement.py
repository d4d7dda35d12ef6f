"""A slice whose mask differs from the reference's."""

from dataclasses import dataclass

from miniseg_edge.slices.preprocessing import ByteArray


@dataclass(frozen=True)
class Disagreement:
    """A slice whose mask by a configuration differs from the reference's, for the thumbnails.

    Attributes:
        result: name of the configuration.
        slice_name: of the slice.
        image: (H, W) uint8, the slice.
        reference, artifact: (H, W) uint8, both masks, lesion above 0.
        dice: of the two masks, 0..1.
        changed_pixels: where they differ.
    """

    result: str
    slice_name: str
    image: ByteArray
    reference: ByteArray
    artifact: ByteArray
    dice: float
    changed_pixels: int
