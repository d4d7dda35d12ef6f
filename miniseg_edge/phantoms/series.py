"""A CT series as DICOM files, of slices in grey: what a scanner would send, without a patient."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from miniseg_edge.host.dependencies import require
from miniseg_edge.slices.preprocessing import ByteArray, Window

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def write_series(folder: Path, slices: Sequence[ByteArray], count: int, window: Window) -> Path:
    """A CT series of `count` files, as a scanner sends it: the slices in rotation, with a little individual noise.

    Args:
        folder: is made.
        slices: (H, W) uint8 grey of one size.
        count: of files.
        window: maps the grey values to HU.

    Raises:
        MissingDependencyError: the extra `dicom` is not installed.
    """
    pydicom: Any = require("pydicom", "dicom")
    folder.mkdir(parents=True)
    uid, random = pydicom.uid.generate_uid, np.random.default_rng(0)
    shared = {
        **{"SOPClassUID": _CT_IMAGE, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]},
        **{"StudyInstanceUID": uid(), "SeriesInstanceUID": uid(), "FrameOfReferenceUID": uid(), "PatientID": "PHANTOM"},
        **{"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 1},
        **{"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "RescaleSlope": 1, "RescaleIntercept": 0},
        **{"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [0.7, 0.7], "SliceThickness": 1},
    }
    for index in range(count):
        grey = slices[index % len(slices)].astype(np.float32)
        hu = np.rint(window.hu_from_grey(grey) + random.normal(0.0, 10.0, grey.shape)).astype("<i2")
        own = {"SOPInstanceUID": uid(), "ImagePositionPatient": [0, 0, index], "InstanceNumber": index + 1}
        dataset = pydicom.Dataset()
        for keyword, value in {**shared, **own, "Rows": hu.shape[0], "Columns": hu.shape[1]}.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = hu.tobytes()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(_EXPLICIT_LITTLE_ENDIAN)
        dataset.save_as(folder / f"{index:05d}.dcm", enforce_file_format=True)
    return folder
