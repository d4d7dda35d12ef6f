"""Identifies files in a study that certainly are something other than DICOM.

A file that is not identified may be a slice that was damaged in transfer. It is not skipped: a series must not lose
slices silently.
"""

import re
from pathlib import PurePosixPath

EMPTY = "empty"

_SUFFIXES = {
    "picture": (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ico", ".svg"),
    "NIfTI file": (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".mgz"),
    "document": (
        ".txt", ".md", ".rst", ".pdf", ".htm", ".html", ".xml", ".xsl", ".json", ".jsonl", ".csv", ".tsv", ".doc",
        ".docx", ".rtf", ".xls", ".xlsx", ".ppt", ".pptx", ".log", ".bval", ".bvec", ".yaml", ".yml", ".css", ".js",
        ".url", ".lnk", ".chm", ".hlp",
    ),
    "archive": (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".iso"),
    "program": (
        ".exe", ".dll", ".so", ".dylib", ".inf", ".ini", ".cfg", ".conf", ".bat", ".cmd", ".sh", ".ps1", ".jar",
        ".class", ".py", ".app", ".msi", ".cab", ".ocx", ".sys", ".ttf", ".properties", ".manifest", ".plist",
    ),
}  # fmt: skip
_SYSTEM_FILES = ("dicomdir", "thumbs.db", "desktop.ini", ".ds_store", "autorun.inf", "lockfile", "version")

_SIGNATURES = {
    b"\x89PNG": "picture",
    b"\xff\xd8\xff": "picture",
    b"GIF8": "picture",
    b"BM": "picture",
    b"%PDF": "document",
    b"{\\rtf": "document",
    b"\xd0\xcf\x11\xe0": "document",
    b"PK\x03\x04": "archive",
    b"\x1f\x8b": "archive",
    b"BZh": "archive",
    b"\xfd7zXZ": "archive",
    b"7z\xbc\xaf": "archive",
    b"Rar!": "archive",
    b"MZ": "program",
    b"\x7fELF": "program",
    b"\xcf\xfa\xed\xfe": "program",
    b"\xca\xfe\xba\xbe": "program",
    b"SQLite format 3": "program",
}
_TEXT = bytes({7, 8, 9, 10, 12, 13, 27} | set(range(0x20, 0x7F)) | set(range(0x80, 0x100)))


def known_as(name: str, start: bytes) -> str | None:
    """The kind of a file that certainly is not DICOM; None if it may be a damaged slice.

    Args:
        name: of the file; only its last part and suffix matter.
        start: its first few hundred bytes; all of a shorter file.
    """
    plain = PurePosixPath(name).name.lower()
    if plain.endswith((*_PACKED, *_UNFINISHED)) and plain.rpartition(".")[0].endswith(_DICOM_SUFFIXES):
        return None
    if plain in _SYSTEM_FILES or plain.startswith("."):
        return "system file"
    by_suffix = (kind for kind, suffixes in _SUFFIXES.items() if plain.endswith(suffixes))
    by_signature = (kind for signature, kind in _SIGNATURES.items() if start.startswith(signature))
    if (kind := next(by_suffix, None) or next(by_signature, None)) is not None:
        return kind
    if start and not start.translate(None, _TEXT) and not plain.endswith(_DICOM_SUFFIXES):
        return "document"
    return None if _like_dicom(plain) else "file of another kind"


_DICOM_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima", ".dc3", ".acr")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".z", ".lz4")
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp")
"""Suffixes of interrupted copies and downloads."""


def name_pattern(name: str) -> str:
    """The common pattern of slice names: a file's name with "#" for each number; "" if it contains none.

    A file that is named like the slices may be one, whatever it contains now: nothing, or a server's error message.
    """
    plain = PurePosixPath(name).name.lower()
    pattern = re.sub(r"\d+", "#", plain)
    return "" if pattern == plain else pattern


def _like_dicom(name: str) -> bool:
    """Whether files of a series have such names: a DICOM suffix, none, or a number such as the end of a UID."""
    suffix = PurePosixPath(name).suffix
    return name.endswith(_DICOM_SUFFIXES) or suffix == "" or suffix[1:].isdecimal()
