"""A small archive as archives are: series in folders of their own, side by side and torn apart, NIfTI, and bad ones."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from nibabel import Nifti1Image
from pydicom.uid import MRImageStorage, generate_uid

from tests.studies.nifti.test_place import set_to
from tests.studies.niftis import nifti_bytes
from tests.studies.series import Edit, stored_slice, write_series

EXPECTED = {
    "alone": ("done", None, 5),
    "pair": ("done", None, 3),
    "torn": ("done", None, 6),
    "scan.nii.gz": ("done", None, 4),
    "ward/SCAN.NII.GZ": ("done", None, 2),
    "ward/mask.Nii": ("skipped", "WRONG_MODALITY", 0),
    "ward/late": ("done", None, 4),
    "truncated": ("failed", "UNSUPPORTED_FORMAT", 0),
    "gap": ("failed", "GEOMETRY_GAP", 0),
    "mr": ("skipped", "WRONG_MODALITY", 0),
    "broken/header": ("failed", "UNSUPPORTED_FORMAT", 0),
    "empty.nii": ("failed", "UNSUPPORTED_FORMAT", 0),
}
"""Where each series lies -> its status, its error's code, and its slices. There are two in "pair"."""

SERIES, OTHER_FILES = 13, 3


def of_series(number: int, after: Edit = lambda index, header: None) -> Edit:
    """An edit that gives a series an identity and slices of its own."""
    uid = generate_uid(entropy_srcs=["archive", str(number)])

    def edit(index: int, header: Any) -> None:
        header.SeriesInstanceUID = uid
        header.PixelData = stored_slice(index + 20 * number).tobytes()
        after(index, header)

    return edit


def write_archive(root: Path) -> Path:
    """Writes the archive that `EXPECTED` describes."""
    write_series(root / "alone", 5, of_series(1))
    write_series(root / "pair" / "x", 3, of_series(2))
    write_series(root / "pair" / "y", 3, of_series(3))
    for path in [*(root / "pair" / "x").iterdir(), *(root / "pair" / "y").iterdir()]:
        path.rename(root / "pair" / f"{path.parent.name}{path.name}")
    write_series(root / "torn" / "one", 6, of_series(4))
    (root / "torn" / "other").mkdir()
    for path in sorted((root / "torn" / "one").iterdir())[::2]:
        path.rename(root / "torn" / "other" / path.name)
    write_series(root / "ward" / "late", 4, of_series(5))
    (root / "scan.nii.gz").write_bytes(nifti(4))
    (root / "ward" / "SCAN.NII.GZ").write_bytes(nifti(2))
    (root / "ward" / "._SCAN.NII.GZ").write_bytes(b"macOS keeps attributes in such files")
    (root / "ward" / "mask.Nii").write_bytes(nifti_bytes(np.ones((6, 5, 4), np.uint8), edit=set_to(intent_code=1002)))
    truncated = write_series(root / "truncated", 3, of_series(6)) / "899"
    truncated.write_bytes(truncated.read_bytes()[:-100])
    (write_series(root / "gap", 5, of_series(7)) / "898").unlink()
    write_series(root / "mr", 2, of_series(8, _magnetic))
    (root / "broken").mkdir()
    (root / "broken" / "header").write_bytes(bytes(128) + b"DICM" + bytes(range(256)))
    (root / "empty.nii").touch()
    (root / "notes.txt").write_text("nothing to segment")
    (root / "ward" / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    for folder in ("x", "y"):
        (root / "pair" / folder).rmdir()
    return root


def nifti(count: int) -> bytes:
    """A NIfTI file of phantoms in HU."""
    voxels = np.stack([stored_slice(300 + index).T - 1024 for index in range(count)], axis=-1)
    return gzip.compress(Nifti1Image(voxels, np.diag([0.7, 0.8, 2.5, 1.0])).to_bytes(), mtime=0)


def results_in(output: Path) -> dict[str, bytes]:
    """All that was drawn, by its path; rows are compared by what they say."""
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in (output / "series").rglob("*")
        if path.is_file() and path.name != "row.json"
    }


def _magnetic(index: int, header: Any) -> None:
    header.Modality, header.SOPClassUID = "MR", MRImageStorage
    header.file_meta.MediaStorageSOPClassUID = MRImageStorage
