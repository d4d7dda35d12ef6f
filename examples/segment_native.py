"""One slice through a bundle's plan with libminiseg, the standard library, and no package of ours.

    python segment_native.py LIBRARY MODEL.miniseg SHA256 SLICE.pgm MASK.pgm

LIBRARY is libminiseg.so; the digest is that of the bundle's manifest. SLICE.pgm is binary PGM ("P5"), 8 bits, grey
0..255, of the bundle's size; MASK.pgm gets 255 where lesion. Exit codes: 0 done, 1 error, 2 usage.
"""

import ctypes
import hashlib
import re
import sys
from ctypes import POINTER, addressof, byref, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_void_p, sizeof
from pathlib import Path

U8, MASK, BEST = 1, 1, 0


class Error(ctypes.Structure):
    """`miniseg_error`."""

    _fields_ = (("code", c_int32), ("message", ctypes.c_char * 252))


class Options(ctypes.Structure):
    """`miniseg_context_options`."""

    _fields_ = (
        *((name, c_uint32) for name in ("struct_size", "threads", "max_height", "max_width")),
        ("max_memory", ctypes.c_uint64),
    )


class Slice(ctypes.Structure):
    """`miniseg_slice`."""

    _fields_ = (
        *(("struct_size", c_uint32), ("type", c_uint32), ("pixels", c_void_p), ("height", c_uint32)),
        *(("width", c_uint32), ("channel_stride", c_int64), ("row_stride", c_int64), ("pixel_stride", c_int64)),
    )


class Output(ctypes.Structure):
    """`miniseg_output`."""

    _fields_ = (
        *(("struct_size", c_uint32), ("result", c_uint32), ("pixels", c_void_p)),
        *(("channel_stride", c_int64), ("row_stride", c_int64)),
    )


def opened(path: str) -> ctypes.CDLL:
    """The library. Its functions give an int32; without `argtypes`, pointers would be cut to 32 bits."""
    library = ctypes.CDLL(path)
    library.miniseg_open.argtypes = (c_char_p, c_size_t, c_uint32, POINTER(c_void_p), POINTER(Error))
    library.miniseg_context_open.argtypes = (c_void_p, POINTER(Options), POINTER(c_void_p), POINTER(Error))
    library.miniseg_run.argtypes = (c_void_p, POINTER(Slice), POINTER(Output), POINTER(Error))
    library.miniseg_context_close.argtypes = library.miniseg_close.argtypes = (c_void_p,)
    return library


def segmented(library: ctypes.CDLL, plan: bytes, pixels: bytes, height: int, width: int) -> bytes:
    """The class of each pixel."""
    model, context, error = c_void_p(), c_void_p(), Error()
    options = Options(sizeof(Options), 2, height, width)
    given, mask = ctypes.create_string_buffer(pixels, len(pixels)), ctypes.create_string_buffer(len(pixels))
    slice_ = Slice(sizeof(Slice), U8, addressof(given), height, width, 0, width, 1)
    output = Output(sizeof(Output), MASK, addressof(mask), 0, width)
    if library.miniseg_open(plan, len(plan), BEST, byref(model), byref(error)):
        sys.exit(f"INCOMPATIBLE: {error.message.decode()}")
    if library.miniseg_context_open(model, byref(options), byref(context), byref(error)):
        sys.exit(f"MEMORY: {error.message.decode()}")
    if library.miniseg_run(context, byref(slice_), byref(output), byref(error)):
        sys.exit(f"INFERENCE: {error.message.decode()}")
    library.miniseg_context_close(context)
    library.miniseg_close(model)
    return mask.raw


def main(library: str, model: str, sha256: str, image: str, mask: str) -> None:
    """Reads, checks, segments, writes."""
    plan, file = Path(model).read_bytes(), Path(image).read_bytes()
    if hashlib.sha256(plan).hexdigest() != sha256:
        sys.exit("INTEGRITY: the plan was changed")
    header = re.match(rb"P5\s(\d{1,4})\s(\d{1,4})\s255\s", file)
    width, height = map(int, header.groups()) if header else (0, 0)
    if header is None or not 0 < width * height == len(file) - header.end():
        sys.exit("UNSUPPORTED_FORMAT: the slice is not a binary PGM of 8 bits")
    classes = segmented(opened(library), plan, file[header.end() :], height, width)
    if 255 in classes:
        sys.exit("NUMERIC: the logits are not finite; the mask was discarded")
    Path(mask).write_bytes(b"P5\n%d %d\n255\n" % (width, height) + classes.translate(bytes([0, *[255] * 255])))


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.stderr.write(f"{__doc__}\n")
        sys.exit(2)
    main(*sys.argv[1:])
