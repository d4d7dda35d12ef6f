"""Reads 8-bit slices and writes masks: PNG and JPEG, checked before a decoder allocates anything."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from miniseg_edge.errors import NoImagesError, UnsupportedFormatError, UsageError
from miniseg_edge.host.files import bytes_from_file, replace_file
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, check_pixel_budget

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_IMAGE_BYTES = 256 * 2**20
MAX_JPEG_SCANS = 100
"""Progressive images have about ten."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"
_JPEG_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_JPEG_SEGMENTS = {0xC4, 0xCC, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE}
"""Segments with a length that may precede the frame; decoders handle other markers in different ways."""

_LESION_BGR = (60, 60, 235)


def image_paths(source: Path) -> list[Path]:
    """The images of `source`: the file itself, or the PNG and JPEG files in the folder, sorted by name.

    Raises:
        NoImagesError: `source` does not exist, or the folder contains no image.
    """
    if source.is_dir():
        found = sorted(
            p
            for p in source.iterdir()
            if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and not p.is_dir()
        )
        if not found:
            raise NoImagesError(
                f"{source} contains no images", expected=f"files ending in {', '.join(IMAGE_SUFFIXES)}", got="none"
            )
        return found
    if not source.exists():
        raise NoImagesError(f"{source} does not exist", expected="an image or a folder of images", got="nothing there")
    return [source]


def slice_from_file(path: Path, channels: int = 1) -> ByteArray:
    """Reads an 8-bit slice from PNG or JPEG.

    Returns:
        (H, W) uint8 grey (colour is accepted if all its channels are equal); with 3 channels (H, W, 3) uint8 RGB, grey
        being repeated.

    Raises:
        UsageError: a number of channels that image files do not have.
        UnsupportedFormatError: another format, truncated or corrupt, 16-bit, or coloured where grey is wanted.
        InputError: more pixels than allowed; refused before decoding.
    """
    return slice_from_bytes(bytes_from_file(path, MAX_IMAGE_BYTES, UnsupportedFormatError), path.name, channels)


def slice_from_bytes(data: bytes, name: str, channels: int = 1) -> ByteArray:
    """The same from bytes; `name` is for messages."""
    if channels not in (1, 3):
        raise UsageError(
            f"image files cannot hold {channels} channels",
            expected="a network of 1 or 3",
            got=name,
            remedy="Pass arrays to the API.",
        )
    pixels = _decoded(data, name)
    if channels == 3:
        pixels = _rgb(pixels, name)
    elif pixels.ndim == 3:
        pixels = _grey(pixels, name)
    return np.ascontiguousarray(pixels)


def label_from_file(path: Path, classes: int) -> ByteArray:
    """Reads a label map (H, W) uint8 with values 0..classes-1.

    With two classes every non-zero pixel is lesion (0/1, 0/255 and palettes alike); with more, grey values are
    class numbers, and 255 is left unjudged.

    Raises:
        UnsupportedFormatError: not a readable image, or a value that is not a class.
    """
    pixels = _decoded(bytes_from_file(path, MAX_IMAGE_BYTES, UnsupportedFormatError), path.name)
    if classes == 2:
        lesion = pixels[..., :3].any(axis=-1) if pixels.ndim == 3 else pixels > 0
        return np.asarray(lesion, dtype=np.uint8)
    grey = _grey(pixels, path.name) if pixels.ndim == 3 else pixels
    unknown = sorted({int(v) for v in np.unique(grey)} - {*range(classes), 255})
    if unknown:
        raise UnsupportedFormatError(
            f"{path.name} has unknown labels", expected=f"0..{classes - 1} or 255", got=str(unknown[:8])
        )
    return grey


def _decoded(data: bytes, name: str) -> ByteArray:
    if data.startswith(PNG_SIGNATURE):
        height, width = _checked_png(data, name)
    elif data.startswith(_JPEG_SIGNATURE):
        height, width = _checked_jpeg(data, name)
    else:
        raise UnsupportedFormatError(
            f"{name} is not a supported image", expected="PNG or JPEG", got=f"bytes {data[:8].hex(' ') or 'none'}"
        )
    check_pixel_budget(height, width)
    from miniseg_edge.host.opencv import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise UnsupportedFormatError(
            f"{name} cannot be decoded", expected="an intact image", because=str(error.err)
        ) from error
    if pixels is None or pixels.shape[:2] != (height, width):
        raise UnsupportedFormatError(f"{name} cannot be decoded", expected="an intact image", got="broken pixel data")
    if pixels.dtype != np.uint8:
        raise UnsupportedFormatError(
            f"{name} is not 8-bit", expected="8-bit grey, as windowed CT slices come", got=str(pixels.dtype),
            remedy="Window it to 8 bits, or pass HU to segment_hu().",
        )  # fmt: skip
    return np.asarray(pixels, dtype=np.uint8)


def _rgb(pixels: ByteArray, name: str) -> ByteArray:
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    if not _opaque(pixels):
        raise UnsupportedFormatError(f"{name} is transparent", expected="opaque colours", got="transparency")
    return pixels[..., 2::-1]


def _opaque(pixels: ByteArray) -> bool:
    return pixels.shape[-1] == 3 or bool((pixels[..., 3] == 255).all())


def _grey(pixels: ByteArray, name: str) -> ByteArray:
    colours = pixels[..., :3]
    if not _opaque(pixels) or bool((colours != colours[..., :1]).any()):
        raise UnsupportedFormatError(
            f"{name} is coloured", expected="a grey CT slice", got="channels that differ, or transparency"
        )
    return colours[..., 0]


def _checked_png(data: bytes, name: str) -> tuple[int, int]:
    """Height and width, after every chunk was found complete: decoders fill missing parts with black."""
    chunks = list(png_chunks(data, name))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13 or chunks[-1][0] != b"IEND":
        raise UnsupportedFormatError(
            f"{name} is truncated", expected="a PNG from IHDR to IEND", got=f"{len(data)} bytes"
        )
    width, height = struct.unpack(">II", chunks[0][1][:8])
    if not width or not height:
        raise UnsupportedFormatError(f"{name} is empty", expected="a width and a height", got=f"{height} x {width}")
    _check_png_pixels(chunks, height, width, name)
    return height, width


def _check_png_pixels(chunks: list[tuple[bytes, bytes]], height: int, width: int, name: str) -> None:
    depth, colour, _, _, interlaced = chunks[0][1][8:13]
    if interlaced or colour not in _PNG_CHANNELS:
        return  # seven passes have another layout, and the decoder itself refuses unknown colour types
    check_pixel_budget(height, width)
    expected = height * (1 + (width * depth * _PNG_CHANNELS[colour] + 7) // 8)
    try:
        packed = b"".join(content for kind, content in chunks if kind == b"IDAT")
        actual = len(zlib.decompressobj().decompress(packed, expected))
    except zlib.error as error:
        raise UnsupportedFormatError(f"{name} is corrupt", expected="intact pixel data", because=str(error)) from error
    if actual < expected:
        raise UnsupportedFormatError(f"{name} has truncated pixel data", expected=f"{expected} bytes", got=f"{actual}")


def png_chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each chunk of a PNG, each complete. Raises: UnsupportedFormatError."""
    position = len(PNG_SIGNATURE)
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8].ljust(8, b"\0"))
        end = position + 12 + length
        if end > len(data):
            raise UnsupportedFormatError(f"{name} is truncated", expected=f"{end} bytes", got=f"{len(data)}")
        content, checksum = data[position + 8 : end - 4], struct.unpack(">I", data[end - 4 : end])[0]
        if zlib.crc32(kind + content) != checksum:
            raise UnsupportedFormatError(
                f"{name} is corrupt", expected="a matching checksum", got=f"damage in {kind!r}"
            )
        yield kind, content
        if kind == b"IEND":
            return
        position = end


def _checked_jpeg(data: bytes, name: str) -> tuple[int, int]:
    """Height and width from the frame header, after the end marker was found."""
    if (scans := data.count(_JPEG_SCAN)) > MAX_JPEG_SCANS:  # each goes over the whole image, however short it is
        raise UnsupportedFormatError(
            f"{name} has too many scans", expected=f"at most {MAX_JPEG_SCANS} scans", got=f"{scans}"
        )
    if not data.rstrip(b"\0").endswith(_JPEG_END):
        raise UnsupportedFormatError(
            f"{name} is truncated", expected="an end-of-image marker", got=f"{len(data)} bytes without one"
        )
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], struct.unpack(">H", data[position + 2 : position + 4])[0]
        if marker == 0xFF:  # padding before a marker
            position += 1
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return height, width
        elif marker in _JPEG_SEGMENTS:
            position += 2 + length
        else:
            break
    raise UnsupportedFormatError(f"{name} is corrupt", expected="a JPEG frame header", got="none")


def write_png(path: Path, pixels: ByteArray) -> None:
    """Writes (H, W) grey or (H, W, 3) BGR uint8 as PNG, atomically. Raises: OutputError."""
    replace_file(path, png_from_pixels(pixels))


def png_from_pixels(pixels: ByteArray) -> bytes:
    """(H, W) grey or (H, W, 3) BGR uint8 -> PNG."""
    from miniseg_edge.host.opencv import cv2

    return bytes(cv2.imencode(".png", pixels)[1])


def overlay(grey: FloatArray | ByteArray, mask: ByteArray) -> ByteArray:
    """The slice with its lesion tinted and outlined: (H, W) grey or (H, W, 3) RGB, (H, W) mask -> BGR uint8."""
    from miniseg_edge.host.opencv import cv2

    shown = np.clip(grey, 0, 255).astype(np.uint8)
    canvas = np.repeat(shown[..., None], 3, axis=2) if shown.ndim == 2 else shown[..., ::-1].copy()
    lesion = (mask > 0).astype(np.uint8)
    if lesion.any():  # those pixels alone: an embedded process has little memory
        inside = canvas[lesion > 0]
        canvas[lesion > 0] = cv2.addWeighted(inside, 0.7, np.full_like(inside, _LESION_BGR), 0.3, 0)
    outlines, _ = cv2.findContours(lesion, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, _LESION_BGR, max(1, round(max(grey.shape) / 512)))
    return np.asarray(canvas, dtype=np.uint8)
