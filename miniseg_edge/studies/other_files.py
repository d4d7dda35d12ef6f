"""Files beside a study that are not DICOM: which of them surely are something else, and what.

A file that is not known to be something else may be a slice that was damaged on its way. It is not left out: a series
must not shrink without a word.
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
    """What a file that is not DICOM surely is, in a word; None if it may be a damaged slice.

    Args:
        name: of the file; its last part and that one's suffix count.
        start: its first bytes, some hundred; all of a shorter file.
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
"""Of copies and downloads that were broken off."""


def name_pattern(name: str) -> str:
    """What the names of a series' slices share: a file's name with "#" for each number; "" if it has none.

    A file that is named like the slices beside it may be one, whatever it holds now: nothing, or a server's complaint.
    """
    plain = PurePosixPath(name).name.lower()
    pattern = re.sub(r"\d+", "#", plain)
    return "" if pattern == plain else pattern


def _like_dicom(name: str) -> bool:
    """Whether files of a series are named so: by a suffix of DICOM's, none, or a number such as a UID's last."""
    suffix = PurePosixPath(name).suffix
    return name.endswith(_DICOM_SUFFIXES) or suffix == "" or suffix[1:].isdecimal()
