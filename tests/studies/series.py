"""DICOM series made of phantoms, written with pydicom, to be read and to be broken."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from miniseg_edge.phantoms import phantom

SIZE = (64, 48)
SPACING_MM = 2.5
SERIES_UID, STUDY_UID, FRAME_UID = generate_uid(), generate_uid(), generate_uid()

Edit = Callable[[int, Any], object]


def put(**elements: object) -> Edit:
    """Sets elements in every slice."""

    def edit(index: int, made: Any) -> None:
        for keyword, value in elements.items():
            setattr(made, keyword, value)

    return edit


def drop(*keywords: str) -> Edit:
    """Takes elements out of every slice."""

    def edit(index: int, made: Any) -> None:
        for keyword in keywords:
            delattr(made, keyword)

    return edit


def only(which: int, inner: Edit) -> Edit:
    """An edit of one slice."""
    return lambda index, made: inner(index, made) if index == which else None


def both(*edits: Edit) -> Edit:
    """Several edits, one after the other."""

    def edit(index: int, made: Any) -> None:
        for one in edits:
            one(index, made)

    return edit


@functools.cache
def stored_slice(index: int) -> npt.NDArray[np.int16]:
    """What the scanner would store: grey 0..255 of a phantom as -1000..785 HU, plus 1024; read-only."""
    found = np.asarray(phantom(index, SIZE).image, np.int16) * 7 + 24
    found.flags.writeable = False
    return found


def header(index: int, sop_class: str = CTImageStorage) -> FileDataset:
    """A classic CT header with pixels; slices lie along z."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class), generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    found.StudyInstanceUID, found.SeriesInstanceUID, found.FrameOfReferenceUID = STUDY_UID, SERIES_UID, FRAME_UID
    found.PatientID, found.PatientName = "SECRET-ID", "Secret^Name"
    found.Modality, found.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    found.InstanceNumber = 99 - index  # says nothing about the order
    found.Rows, found.Columns = SIZE
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 16, 15, 1
    found.RescaleSlope, found.RescaleIntercept = 1, -1024
    found.ImagePositionPatient, found.ImageOrientationPatient = [0, 0, index * SPACING_MM], [1, 0, 0, 0, 1, 0]
    found.PixelSpacing, found.SliceThickness = [0.8, 0.7], 3
    found.PixelData = stored_slice(index).tobytes()
    return found


def write_series(folder: Path, count: int = 4, edit: Edit = lambda index, header: None) -> Path:
    """A folder whose file names run against the slices' order."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        made = header(index)
        edit(index, made)
        made.save_as(folder / f"{900 - index}", enforce_file_format=True)
    return folder


def write_enhanced(path: Path, count: int = 3, phases: int = 1) -> Path:
    """One enhanced multi-frame CT object, its frames stored from the last slice to the first."""
    made = header(0, EnhancedCTImageStorage)
    for keyword in ("RescaleSlope", "RescaleIntercept", "ImagePositionPatient", "ImageOrientationPatient",
                    "PixelSpacing", "SliceThickness"):  # fmt: skip
        delattr(made, keyword)
    made.NumberOfFrames = count * phases
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[0.8, 0.7], SliceThickness=3)]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = []
    pixels = []
    for phase in range(phases):
        for index in reversed(range(count)):
            group = Dataset()
            group.PlanePositionSequence = [_item(ImagePositionPatient=[0, 0, index * SPACING_MM])]
            group.PixelValueTransformationSequence = [
                _item(RescaleSlope=1 + index, RescaleIntercept=-1024, RescaleType="HU")
            ]
            group.FrameContentSequence = [_item(TemporalPositionIndex=phase + 1)]
            made.PerFrameFunctionalGroupsSequence.append(group)
            pixels.append(stored_slice(index + 10 * phase))
    made.PixelData = np.stack(pixels).tobytes()
    made.save_as(path, enforce_file_format=True)
    return path


def _item(**elements: object) -> Dataset:
    found = Dataset()
    for keyword, value in elements.items():
        setattr(found, keyword, value)
    return found
