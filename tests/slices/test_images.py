import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from miniseg_edge.errors import InputError, NoImagesError, OutputError, UnsupportedFormatError, UsageError
from miniseg_edge.slices.images import (
    MAX_IMAGE_BYTES,
    image_paths,
    label_from_file,
    overlay,
    png_from_pixels,
    slice_from_bytes,
    slice_from_file,
    write_png,
)
from miniseg_edge.slices.preprocessing import ByteArray
from tests.bundles import files_below

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
RAMP: ByteArray = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4

# Adam7: where each pass starts and how far its pixels lie apart, in rows and columns.
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header(height: int, width: int, depth: int = 8, colour: int = GREY, interlaced: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def png(head: bytes, raw: bytes, before_pixels: bytes = b"") -> bytes:
    """A PNG from its header, its filtered rows and what else stands before the pixels."""
    return SIGNATURE + head + before_pixels + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def rows(pixels: npt.NDArray[np.generic]) -> bytes:
    """Rows of pixels as PNG has them, without prediction."""
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def palette_png(indices: ByteArray, colours: list[tuple[int, int, int]], alpha: bytes = b"") -> bytes:
    head = header(indices.shape[0], indices.shape[1], colour=PALETTE)
    table = chunk(b"PLTE", bytes(value for colour in colours for value in colour))
    return png(head, rows(indices), table + (chunk(b"tRNS", alpha) if alpha else b""))


def jpeg(pixels: ByteArray, *options: int) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, options)[1])


def jpeg_frame(height: int, width: int) -> bytes:
    return b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"


def check_refused(data: bytes, match: str | None = None) -> None:
    with pytest.raises(UnsupportedFormatError, match=match):
        slice_from_bytes(data, "slice")


class TestPaths:
    def test_an_image_names_itself(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        assert image_paths(tmp_path / "a.png") == [tmp_path / "a.png"]

    def test_a_folder_names_its_images_in_order_of_name(self, tmp_path: Path) -> None:
        for name in ("b.png", "a.JPG", "c.jpeg", "notes.txt", ".hidden.png", "d.dcm"):
            (tmp_path / name).touch()
        assert [p.name for p in image_paths(tmp_path)] == ["a.JPG", "b.png", "c.jpeg"]

    def test_a_folder_called_like_an_image_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "folder.png").mkdir()
        (tmp_path / "a.png").touch()
        assert image_paths(tmp_path) == [tmp_path / "a.png"]

    def test_an_empty_folder_holds_no_images(self, tmp_path: Path) -> None:
        with pytest.raises(NoImagesError, match="contains no images"):
            image_paths(tmp_path)

    def test_a_folder_of_other_files_holds_no_images(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").touch()
        with pytest.raises(NoImagesError, match="contains no images"):
            image_paths(tmp_path)

    def test_a_path_that_is_not_there_names_no_images(self, tmp_path: Path) -> None:
        with pytest.raises(NoImagesError, match="does not exist"):
            image_paths(tmp_path / "absent")


class TestReading:
    def test_a_grey_png(self) -> None:
        assert np.array_equal(slice_from_bytes(png(header(8, 8), rows(RAMP)), "slice"), RAMP)

    def test_a_grey_jpeg(self) -> None:
        found = slice_from_bytes(jpeg(RAMP, cv2.IMWRITE_JPEG_QUALITY, 100), "slice")
        assert np.abs(found.astype(int) - RAMP).max() <= 3

    def test_a_progressive_jpeg(self) -> None:
        found = slice_from_bytes(jpeg(RAMP, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), "slice")
        assert found.shape == RAMP.shape

    def test_a_jpeg_with_comments_and_padding_before_its_frame(self) -> None:
        comment = b"\xff\xfe\x00\x06note" + b"\xff\xe1\x00\x04\xff\xc0" + b"\xff\xff"
        plain = jpeg(RAMP)
        assert np.array_equal(
            slice_from_bytes(plain[:2] + comment + plain[2:], "slice"), slice_from_bytes(plain, "slice")
        )

    def test_an_oblong_slice_keeps_its_height_and_width(self) -> None:
        assert slice_from_bytes(png(header(2, 32), rows(RAMP.reshape(2, 32))), "slice").shape == (2, 32)
        assert slice_from_bytes(jpeg(RAMP.reshape(2, 32)), "slice").shape == (2, 32)

    def test_an_interlaced_png(self) -> None:
        passes = b"".join(rows(RAMP[y::down, x::across]) for y, x, down, across in ADAM7)
        assert np.array_equal(slice_from_bytes(png(header(8, 8, interlaced=1), passes), "slice"), RAMP)

    def test_a_grey_palette(self) -> None:
        data = palette_png(np.tile(np.array([[0, 1]], np.uint8), (8, 4)), [(7, 7, 7), (200, 200, 200)])
        assert np.array_equal(slice_from_bytes(data, "slice"), np.tile(np.array([[7, 200]], np.uint8), (8, 4)))

    def test_one_bit_is_black_and_white(self) -> None:
        data = png(header(2, 8, depth=1), b"\0\xf0\0\x0f")
        assert slice_from_bytes(data, "slice").tolist() == [[255] * 4 + [0] * 4, [0] * 4 + [255] * 4]

    def test_colour_with_equal_channels_is_grey(self) -> None:
        data = png(header(8, 8, colour=RGB), rows(np.repeat(RAMP[..., None], 3, axis=2)))
        assert np.array_equal(slice_from_bytes(data, "slice"), RAMP)

    def test_a_colour_jpeg_with_equal_channels_is_grey(self) -> None:
        data = jpeg(np.full((8, 8, 3), 90, np.uint8))
        assert slice_from_bytes(data, "slice").tolist() == [[90] * 8] * 8

    def test_opaque_alpha_is_left_out(self) -> None:
        pixels = np.dstack([RAMP, RAMP, RAMP, np.full_like(RAMP, 255)])
        assert np.array_equal(slice_from_bytes(png(header(8, 8, colour=RGBA), rows(pixels)), "slice"), RAMP)

    def test_grey_with_opaque_alpha_is_grey(self) -> None:
        pixels = np.dstack([RAMP, np.full_like(RAMP, 255)])
        assert np.array_equal(slice_from_bytes(png(header(8, 8, colour=GREY_ALPHA), rows(pixels)), "slice"), RAMP)

    def test_the_array_is_contiguous_bytes(self) -> None:
        found = slice_from_bytes(png(header(8, 8, colour=RGB), rows(np.repeat(RAMP[..., None], 3, axis=2))), "slice")
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous

    def test_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(png(header(8, 8), rows(RAMP)))
        assert np.array_equal(slice_from_file(tmp_path / "a.png"), RAMP)


class TestUnsupported:
    @pytest.mark.parametrize("name", ["empty.png", "absent.png", "text.png", "folder.png"])
    def test_what_is_no_image_is_refused_by_name(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "empty.png").touch()
        (tmp_path / "text.png").write_text("this is not an image")
        (tmp_path / "folder.png").mkdir()
        with pytest.raises(UnsupportedFormatError, match=name):
            slice_from_file(tmp_path / name)

    @pytest.mark.parametrize("start", [b"GIF89a", b"BM", b"II*\0", b"RIFF____WEBP", b"DICM", b"\x1f\x8b", b"%PDF", b""])
    def test_other_formats_are_refused(self, start: bytes) -> None:
        check_refused(start + bytes(100) if start else start, "expected PNG or JPEG")

    @pytest.mark.parametrize("colour", [GREY, RGB])
    def test_16_bit_is_refused_with_a_remedy(self, colour: int) -> None:
        pixels = np.zeros((8, 8, 3 if colour == RGB else 1), ">u2")
        check_refused(png(header(8, 8, 16, colour), rows(pixels)), r"is not 8-bit; .* Window it to 8 bits")

    def test_colour_is_refused(self) -> None:
        check_refused(png(header(8, 8, colour=RGB), rows(np.dstack([RAMP, RAMP, RAMP + 1]))), "is coloured")

    def test_a_coloured_palette_is_refused(self) -> None:
        check_refused(palette_png(np.zeros_like(RAMP), [(60, 60, 235)]), "is coloured")

    def test_a_coloured_jpeg_is_refused(self) -> None:
        check_refused(jpeg(np.full((8, 8, 3), (60, 60, 235), np.uint8)), "is coloured")

    def test_transparency_is_refused(self) -> None:
        alpha = np.full_like(RAMP, 255)
        alpha[3, 3] = 254
        pixels = np.dstack([RAMP, RAMP, RAMP, alpha])
        check_refused(png(header(8, 8, colour=RGBA), rows(pixels)), "transparency")

    def test_a_transparent_palette_is_refused(self) -> None:
        check_refused(palette_png(np.zeros_like(RAMP), [(7, 7, 7)], alpha=b"\x80"), "transparency")

    @pytest.mark.parametrize("size", [(0, 8), (8, 0), (0, 0)])
    def test_an_image_without_pixels_is_refused(self, size: tuple[int, int]) -> None:
        check_refused(png(header(*size), b""), "is empty")


class TestDamage:
    """Decoders fill what is missing with black; here nothing may be missing."""

    def test_a_png_that_ends_anywhere_too_early_is_refused(self) -> None:
        whole = png(header(8, 8), rows(RAMP))
        for length in range(len(whole)):
            check_refused(whole[:length])

    def test_a_jpeg_that_ends_anywhere_too_early_is_refused(self) -> None:
        whole = jpeg(RAMP)
        for length in range(len(whole)):
            check_refused(whole[:length])

    def test_a_jpeg_that_lacks_only_its_end_is_called_truncated(self) -> None:
        check_refused(jpeg(RAMP)[:-2], "is truncated; expected an end-of-image marker")

    def test_any_flipped_bit_of_a_png_is_noticed(self) -> None:
        whole = png(header(8, 8), rows(RAMP))
        for position in range(len(whole) * 8):
            damaged = bytearray(whole)
            damaged[position // 8] ^= 1 << position % 8
            check_refused(bytes(damaged))

    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 10_000), st.integers(1, 255))
    def test_a_damaged_jpeg_is_read_or_refused(self, position: int, mask: int) -> None:
        damaged = bytearray(jpeg(RAMP))
        damaged[position % len(damaged)] ^= mask
        self.check_read_or_refused(bytes(damaged))

    @settings(max_examples=100, deadline=None)
    @given(
        st.sampled_from([SIGNATURE, SIGNATURE + header(8, 8), b"\xff\xd8\xff", b"\xff\xd8" + jpeg_frame(8, 8)]),
        st.binary(),
    )
    def test_whatever_follows_a_signature_is_read_or_refused(self, start: bytes, rest: bytes) -> None:
        self.check_read_or_refused(start + rest)
        self.check_read_or_refused(start + rest + b"\xff\xd9")

    def check_read_or_refused(self, data: bytes) -> None:
        try:
            found = slice_from_bytes(data, "slice")
        except InputError:
            return
        assert found.ndim == 2

    def test_too_little_pixel_data_in_whole_chunks_names_both_sizes(self) -> None:
        check_refused(png(header(8, 8), rows(RAMP)[:20]), "truncated pixel data; expected 72 bytes, got 20")

    @pytest.mark.parametrize(
        ("depth", "colour", "expected"), [(1, GREY, 16), (4, PALETTE, 40), (8, RGB, 200), (16, RGBA, 520)]
    )
    def test_the_size_expected_is_that_of_the_pixel_format(self, depth: int, colour: int, expected: int) -> None:
        check_refused(png(header(8, 8, depth, colour), b"\0"), f"expected {expected} bytes, got 1")

    def test_too_little_interlaced_pixel_data_is_refused(self) -> None:
        check_refused(png(header(8, 8, interlaced=1), b"\0" * 20))

    def test_pixel_data_that_is_no_deflate_stream_is_refused(self) -> None:
        check_refused(SIGNATURE + header(8, 8) + chunk(b"IDAT", b"not zlib") + chunk(b"IEND", b""), "is corrupt")

    def test_an_unknown_row_filter_is_refused(self) -> None:
        check_refused(png(header(8, 8), rows(RAMP).replace(b"\0", b"\x09", 1)))

    @pytest.mark.parametrize(("depth", "colour"), [(3, GREY), (8, 5), (16, PALETTE), (0, GREY)])
    def test_a_pixel_format_that_does_not_exist_is_refused(self, depth: int, colour: int) -> None:
        check_refused(png(header(8, 8, depth, colour), bytes(1000)))

    def test_a_second_header_is_refused(self) -> None:
        check_refused(png(header(8, 8) + header(16, 16), rows(RAMP)))

    def test_a_png_that_does_not_start_with_its_header_is_refused(self) -> None:
        check_refused(png(chunk(b"tEXt", b"") + header(8, 8), rows(RAMP)), "IHDR to IEND")

    def test_a_png_that_lacks_only_its_end_is_refused(self) -> None:
        check_refused(SIGNATURE + header(8, 8) + chunk(b"IDAT", zlib.compress(rows(RAMP))), "IHDR to IEND")

    def test_a_png_without_pixels_is_refused(self) -> None:
        check_refused(SIGNATURE + header(8, 8) + chunk(b"IEND", b""), "expected 72 bytes, got 0")

    def test_a_jpeg_without_a_frame_is_refused(self) -> None:
        check_refused(b"\xff\xd8\xff\xfe\x00\x02\xff\xd9", "a JPEG frame header")

    def test_a_jpeg_frame_without_pixels_is_refused(self) -> None:
        check_refused(b"\xff\xd8" + jpeg_frame(8, 8) + b"\xff\xd9", "cannot be decoded")


class TestBombs:
    """Sizes are checked against the budget before a decoder allocates."""

    def test_a_png_that_promises_too_many_pixels(self) -> None:
        with pytest.raises(InputError, match="got 100000 x 100000"):
            slice_from_bytes(png(header(100_000, 100_000), b""), "slice")

    @pytest.mark.parametrize("side", [2**31 - 1, 2**32 - 1])
    def test_a_png_of_the_largest_size_its_header_can_tell(self, side: int) -> None:
        with pytest.raises(InputError, match="too large"):
            slice_from_bytes(png(header(side, side, interlaced=1), b""), "slice")

    def test_a_jpeg_that_promises_too_many_pixels(self) -> None:
        with pytest.raises(InputError, match="got 65535 x 65535"):
            slice_from_bytes(b"\xff\xd8" + jpeg_frame(65_535, 65_535) + b"\xff\xd9", "slice")

    @pytest.mark.parametrize("marker", [b"\xff\x01", b"\xff\xd0", b"\xff\x00", b"\xff\x02"])
    def test_a_jpeg_that_hides_its_frame_behind_a_marker_without_a_length(self, marker: bytes) -> None:
        # A decoder steps over the marker; who takes the next two bytes for its length lands at the small frame.
        comment = b"\xff\xfe\x80\x02" + bytes(0x8000)
        hidden = jpeg_frame(8, 8)
        decoy = b"\xff\xfe" + struct.pack(">H", 0x8000) + bytes(0xFFFE - 4 - len(comment)) + hidden
        data = b"\xff\xd8" + marker + comment + decoy.ljust(0x8002, b"\0") + jpeg_frame(30_000, 30_000) + b"\xff\xd9"
        assert data[2 + 2 + 0xFFFE :].startswith(hidden)
        with pytest.raises(UnsupportedFormatError, match="a JPEG frame header"):
            slice_from_bytes(data, "slice")

    def test_pixel_data_that_unpacks_to_far_more_than_the_image(self) -> None:
        packer = zlib.compressobj()
        bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
        data = SIGNATURE + header(8, 8) + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")
        tracemalloc.start()
        found = slice_from_bytes(data, "slice")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20
        assert not found.any()

    def test_a_file_over_the_budget_is_refused(self, tmp_path: Path) -> None:
        with (tmp_path / "huge.png").open("wb") as file:
            file.truncate(MAX_IMAGE_BYTES + 1)
        with pytest.raises(UnsupportedFormatError, match="too large"):
            slice_from_file(tmp_path / "huge.png")


class TestLabels:
    @pytest.mark.parametrize("lesion", [1, 2, 128, 255])
    def test_with_two_classes_whatever_is_not_black_is_lesion(self, tmp_path: Path, lesion: int) -> None:
        mask = (RAMP > 100).astype(np.uint8)
        write_png(tmp_path / "label.png", mask * np.uint8(lesion))
        found = label_from_file(tmp_path / "label.png", 2)
        assert found.dtype == np.uint8
        assert np.array_equal(found, mask)

    def test_with_two_classes_a_palette_of_any_colour_serves(self, tmp_path: Path) -> None:
        mask = (RAMP > 100).astype(np.uint8)
        (tmp_path / "label.png").write_bytes(palette_png(mask, [(0, 0, 0), (0, 0, 128)]))
        assert np.array_equal(label_from_file(tmp_path / "label.png", 2), mask)

    def test_with_two_classes_one_bit_serves(self, tmp_path: Path) -> None:
        (tmp_path / "label.png").write_bytes(png(header(1, 8, depth=1), b"\0\x0f"))
        assert label_from_file(tmp_path / "label.png", 2).tolist() == [[0] * 4 + [1] * 4]

    def test_with_two_classes_opaque_black_is_background(self, tmp_path: Path) -> None:
        pixels = np.dstack([np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 255, np.uint8)])
        (tmp_path / "label.png").write_bytes(png(header(8, 8, colour=RGBA), rows(pixels)))
        assert not label_from_file(tmp_path / "label.png", 2).any()

    def test_with_more_classes_grey_values_are_classes_and_255_is_unjudged(self, tmp_path: Path) -> None:
        label = np.array([[0, 1, 2, 255]], np.uint8)
        write_png(tmp_path / "label.png", label)
        assert np.array_equal(label_from_file(tmp_path / "label.png", 3), label)

    def test_with_more_classes_equal_channels_are_grey(self, tmp_path: Path) -> None:
        label = np.array([[0, 1, 2, 255]], np.uint8)
        write_png(tmp_path / "label.png", np.repeat(label[..., None], 3, axis=2))
        assert np.array_equal(label_from_file(tmp_path / "label.png", 3), label)

    def test_values_that_are_no_class_are_listed(self, tmp_path: Path) -> None:
        write_png(tmp_path / "label.png", np.array([[0, 3, 2, 254]], np.uint8))
        with pytest.raises(UnsupportedFormatError, match=r"expected 0\.\.2 or 255, got \[3, 254\]"):
            label_from_file(tmp_path / "label.png", 3)

    def test_with_more_classes_colours_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "label.png").write_bytes(palette_png(np.zeros_like(RAMP), [(128, 0, 0)]))
        with pytest.raises(UnsupportedFormatError, match="is coloured"):
            label_from_file(tmp_path / "label.png", 3)

    def test_a_truncated_label_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "label.png").write_bytes(png(header(8, 8), rows(RAMP))[:-1])
        with pytest.raises(UnsupportedFormatError, match="is truncated"):
            label_from_file(tmp_path / "label.png", 2)


class TestWriting:
    @settings(max_examples=50, deadline=None)
    @given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9)))
    def test_grey_reads_back_equal(self, pixels: ByteArray) -> None:
        assert np.array_equal(slice_from_bytes(png_from_pixels(pixels), "slice"), pixels)

    def test_colour_reads_back_equal(self, tmp_path: Path) -> None:
        pixels = np.dstack([RAMP, 255 - RAMP, RAMP // 2])
        write_png(tmp_path / "a.png", pixels)
        assert np.array_equal(np.asarray(cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)), pixels)

    def test_an_image_that_cannot_be_written_leaves_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").mkdir()
        with pytest.raises(OutputError):
            write_png(tmp_path / "a.png", RAMP)
        assert files_below(tmp_path) == set()


class TestOverlay:
    GREY: ByteArray = np.full((40, 60), 100, np.uint8)
    MASK: ByteArray = np.zeros((40, 60), np.uint8)
    MASK[10:20, 30:50] = 1

    def test_it_is_a_colour_image_of_the_slices_size(self) -> None:
        shown = overlay(self.GREY, self.MASK)
        assert shown.dtype == np.uint8
        assert shown.shape == (40, 60, 3)

    def test_only_the_lesion_is_painted(self) -> None:
        painted = (overlay(self.GREY, self.MASK) != 100).any(axis=-1)
        assert np.array_equal(painted, self.MASK > 0)

    def test_a_lesion_at_the_border_is_painted(self) -> None:
        mask = np.zeros_like(self.MASK)
        mask[:3, :3] = 1
        assert np.array_equal((overlay(self.GREY, mask) != 100).any(axis=-1), mask > 0)

    def test_a_lesion_of_one_pixel_is_painted(self) -> None:
        mask = np.zeros_like(self.MASK)
        mask[5, 7] = 1
        assert (overlay(self.GREY, mask)[5, 7] != 100).any()

    def test_the_outline_is_stronger_than_the_tint(self) -> None:
        shown = overlay(self.GREY, self.MASK).astype(int)
        red_on_edge, red_inside = (shown[y, x, 2] - shown[y, x, 1] for y, x in ((10, 30), (15, 40)))
        assert red_on_edge > red_inside > 0

    def test_on_a_large_slice_the_outline_stays_near_the_lesion(self) -> None:
        mask = np.zeros((2048, 2048), np.uint8)
        mask[500:600, 700:900] = 1
        painted = (overlay(np.full_like(mask, 100), mask) != 100).any(axis=-1)
        near = cv2.dilate(mask, np.ones((9, 9), np.uint8)) > 0
        assert not (painted & ~near).any()

    def test_every_class_counts_as_lesion(self) -> None:
        assert np.array_equal(overlay(self.GREY, self.MASK * np.uint8(2)), overlay(self.GREY, self.MASK))

    def test_without_a_lesion_it_is_the_slice(self) -> None:
        assert (overlay(self.GREY, np.zeros_like(self.MASK)) == 100).all()

    def test_the_inputs_stay_as_they_were(self) -> None:
        grey, mask = self.GREY.copy(), self.MASK.copy()
        overlay(grey, mask)
        assert np.array_equal(grey, self.GREY)
        assert np.array_equal(mask, self.MASK)

    def test_float_grey_serves_and_is_clipped(self) -> None:
        grey = np.array([[-5.0, 99.6, 300.0]], np.float32)
        assert overlay(grey, np.zeros((1, 3), np.uint8))[..., 0].tolist() == [[0, 99, 255]]


class TestColour:
    def test_three_channels_are_read_as_rgb(self, tmp_path: Path) -> None:
        bgr = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)
        write_png(tmp_path / "colour.png", bgr)
        found = slice_from_file(tmp_path / "colour.png", 3)
        np.testing.assert_array_equal(found, bgr[..., ::-1])
        np.testing.assert_array_equal(overlay(found, np.zeros((5, 7), np.uint8)), bgr)

    def test_grey_is_three_equal_channels(self, tmp_path: Path) -> None:
        grey = np.arange(35, dtype=np.uint8).reshape(5, 7)
        write_png(tmp_path / "grey.png", grey)
        np.testing.assert_array_equal(slice_from_file(tmp_path / "grey.png", 3), np.stack([grey] * 3, axis=2))

    def test_image_files_hold_no_other_numbers_of_channels(self, tmp_path: Path) -> None:
        write_png(tmp_path / "grey.png", np.zeros((5, 7), np.uint8))
        with pytest.raises(UsageError, match="5 channels"):
            slice_from_file(tmp_path / "grey.png", 5)
