import numpy as np

from miniseg_edge.benchmarks.plots import thumbnail
from miniseg_edge.slices.preprocessing import ByteArray
from tests.benchmarks.html.reports import pixels_of


class TestThumbnail:
    GREY = np.full((200, 300), 90, np.uint8)

    def drawn(self, reference: ByteArray, artifact: ByteArray) -> ByteArray:
        return pixels_of(thumbnail(self.GREY, reference, artifact))

    def mask(self, rows: slice, columns: slice) -> ByteArray:
        mask = np.zeros((200, 300), np.uint8)
        mask[rows, columns] = 1
        return mask

    def test_equal_masks_have_both_outlines_and_no_change(self) -> None:
        mask = self.mask(slice(60, 120), slice(100, 160))
        found = self.drawn(mask, mask)
        assert found.shape[0] == found.shape[1]
        blue, green, red = (found[..., i].astype(int) for i in range(3))
        assert ((blue > red + 60) & (green > 120)).sum() > 100, "the reference's"
        assert ((red > blue + 60) & (green > 150)).sum() > 100, "the artefact's"
        assert not ((red > green + 60) & (blue > green + 30)).any(), "no pixel changed"

    def test_a_single_changed_pixel_is_seen(self) -> None:
        reference = self.mask(slice(0, 200), slice(0, 300))
        artifact = reference.copy()
        artifact[90, 150] = 0
        blue, green, red = (self.drawn(reference, artifact)[..., i].astype(int) for i in range(3))
        assert ((red > green + 60) & (blue > green + 10)).any()

    def test_lesions_at_the_edge_and_none_at_all(self) -> None:
        nothing = np.zeros((200, 300), np.uint8)
        assert self.drawn(nothing, nothing).shape[:2] == (224, 336)
        assert (self.drawn(nothing, nothing) == 90).all()
        corner = self.mask(slice(190, 200), slice(295, 300))
        assert self.drawn(corner, nothing).shape[:2] == (336, 336)

    def test_a_slice_smaller_than_the_crop(self) -> None:
        small = np.zeros((40, 30), np.uint8)
        small[3, 4] = 1
        assert pixels_of(thumbnail(small, small, small)).shape == (336, 252, 3)
