"""From an application's slice to the input of a bundle's graph, and from its logit maps back to the slice's size."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import InputError, UsageError
from miniseg_edge.slices import hu_values
from miniseg_edge.slices.preprocessing import (
    ByteArray,
    FloatArray,
    Window,
    check_unmasked,
    checked_array,
    checked_hu,
    checked_slice,
    network_input,
    resized,
)
from miniseg_edge.slices.value_counts import Tally, counted
from miniseg_edge.tensors import HU, GraphInterface


@dataclass(frozen=True)
class PreparedSlice:
    """A prepared slice: the network's input (1, C, H, W), the slice's own size, and remarks about it."""

    network_input: FloatArray
    size: tuple[int, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Preparation:
    """How a bundle takes its slices. Results are new arrays; the caller's arrays are not kept.

    Attributes:
        interface: of the graph.
        size: (H, W) that slices are resized to, or None if the graph takes any.
        window: of the bundle, or None.
        masks_alone: whether the engine returns masks, which are never resized.
    """

    interface: GraphInterface
    size: tuple[int, int] | None
    window: Window | None
    masks_alone: bool

    def owned(self, slice_: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """A copy of a slice, (H, W) or (H, W, C), that its caller may overwrite or free at once. Raises: InputError."""
        return np.array(checked_array(slice_, self.interface.channels))

    def from_grey(self, slice_: ByteArray | FloatArray) -> PreparedSlice:
        """Grey 0..255, as in `Segmenter.segment`. Raises: InputError."""
        grey, remarks = checked_slice(slice_, self.interface.channels)
        if self.interface.values == HU:
            return self._prepared(self._known_window().hu_from_grey(grey), remarks)
        return self._prepared(grey, remarks)

    def from_hu(
        self, slice_hu: npt.NDArray[np.generic], *, assume_hu: bool = False, judged: bool = False
    ) -> PreparedSlice:
        """HU, as in `Segmenter.segment_hu`.

        Args:
            slice_hu: the slice.
            assume_hu: whether the caller insists that the values are HU.
            judged: whether the values are judged elsewhere, as for a volume.

        Raises: InputError, its subclasses HuValuesError, UsageError.
        """
        window = self._known_window()
        hu = checked_hu(slice_hu, self.interface.channels)
        about_values = () if judged else hu_values.checked(counted(hu), assume_hu=assume_hu)
        # The graph would clip too, but only after the slice was resized.
        values = window.clipped(hu) if self.interface.values == HU else window.grey_from_hu(hu)
        constant = ("constant slice: the window sees one value",) if values.min() == values.max() else ()
        return self._prepared(values, (*about_values, *constant))

    def volume_remarks(self, volume_hu: npt.NDArray[np.generic], *, assume_hu: bool) -> tuple[str, ...]:
        """Remarks about the values of a stack in HU, all slices together. Raises: as `from_hu`."""
        self._known_window()
        tally = Tally(hu_values.is_odd)
        for index, slice_hu in enumerate(volume_hu):
            tally.add(index, checked_hu(slice_hu, self.interface.channels))
        return (
            *hu_values.checked(tally.total, assume_hu=assume_hu),
            *(() if assume_hu else hu_values.odd_remarks(tally.odd)),
            *hu_values.lung_remarks(tally.total),
        )

    def _known_window(self) -> Window:
        if self.window is None:
            raise UsageError(
                "this bundle has no HU window", expected="one from miniseg-export --window LOW HIGH", got="none",
                remedy="Export again with --window, or window the slice yourself and call segment().",
            )  # fmt: skip
        return self.window

    def _prepared(self, values: FloatArray, remarks: tuple[str, ...]) -> PreparedSlice:
        size = (values.shape[0], values.shape[1])
        if self.size not in (None, size) and self.masks_alone:
            raise InputError(
                "the slice's size differs from the bundle's, and its graph only returns masks",
                expected=f"{self.size}",
                got=f"{size}",
                remedy="Export with --graph-output logit, or with --dynamic-size.",
            )
        return PreparedSlice(network_input(values, self.size or size), size, remarks)


def check_volume(volume: object, channels: int) -> None:
    """Refuses anything except a stack of slices, (D, H, W) or (D, H, W, C). Raises: InputError."""
    axes, shape = (3, "(D, H, W)") if channels == 1 else (4, f"(D, H, W, {channels})")
    if not isinstance(volume, np.ndarray) or volume.ndim != axes or 0 in volume.shape:
        got = getattr(volume, "shape", type(volume).__name__)
        raise InputError("a volume has a wrong shape", expected=f"a NumPy array {shape}", got=str(got))
    check_unmasked(volume)


def maps_of_size(maps: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Logit maps (C - 1, H, W) in the slice's own size; the same array if they already have it."""
    if maps.shape[1:] == size:
        return maps
    return np.stack([resized(one, size) for one in maps])
