"""A volume as pictures: each slice with its lesion, and a contact sheet of all slices."""

from collections.abc import Iterable

import numpy as np

from miniseg_edge.slices.images import overlay
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, Window

TILE = 192
MAX_TILES = 80
_CAPTION = 18


def slice_picture(slice_hu: FloatArray, mask: ByteArray, window: Window) -> ByteArray:
    """(H, W) HU and (H, W) mask -> the slice through the window, lesion tinted and outlined, (H, W, 3) BGR uint8."""
    return overlay(window.grey_from_hu(slice_hu), mask)


def contact_sheet(pictures: Iterable[tuple[str, ByteArray]], columns: int = 8, tile: int = TILE) -> ByteArray:
    """Captions and BGR pictures of any size -> one BGR picture of tiles, row by row, each with its caption."""
    from miniseg_edge.host.opencv import cv2

    tiles = []
    for caption, picture in pictures:
        scale = tile / max(picture.shape[:2])
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        shown = np.zeros((tile + _CAPTION, tile, 3), np.uint8)
        shown[:height, :width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        cv2.putText(shown, caption, (4, tile + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        tiles.append(shown)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns if len(tiles) > columns else 0)
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, axis=0)


def shown_indices(lesion_pixels: list[int]) -> list[int]:
    """Which slices a sheet shows: all, or those with most lesion, then evenly spread ones."""
    count = len(lesion_pixels)
    if count <= MAX_TILES:
        return list(range(count))
    worst = sorted(range(count), key=lambda i: -lesion_pixels[i])[: MAX_TILES // 2]
    spread = np.linspace(0, count - 1, MAX_TILES - len(worst)).round().astype(int)
    return sorted({*(i for i in worst if lesion_pixels[i]), *map(int, spread)})
