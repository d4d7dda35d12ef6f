"""The labels of a study, slice by slice: a NIfTI mask on the same grid, or a DICOM Segmentation of the same images."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from miniseg_edge.errors import GeometryError, InputError, NoImagesError, UnsupportedFormatError
from miniseg_edge.host.dependencies import require
from miniseg_edge.studies.dicom.file import is_dicom
from miniseg_edge.studies.dicom.frames import ENHANCED
from miniseg_edge.studies.distrust import distrusted
from miniseg_edge.studies.nifti.names import is_nifti_name
from miniseg_edge.studies.nifti.study import labels_from_nifti
from miniseg_edge.studies.source_files import DiskFile
from miniseg_edge.studies.study import Study
from miniseg_edge.studies.volume import SourceImage

MAX_SHIFT_MM = 0.5
"""How far a mask's voxels may be from the study's: less than the finest CT pixel, more than rounding."""

Labels = Callable[[int], npt.NDArray[np.generic]]
"""Index of a slice -> its stored label values (H, W)."""


def study_labels(study: Study, mask: Path) -> Labels:
    """Opens the labels of a study.

    Args:
        study: the labelled study.
        mask: a NIfTI file, a DICOM SEG, or a folder with one of them.

    Returns:
        A function from a slice's index, 0..len(study) - 1, to its stored values (H, W); segment numbers of a SEG.

    Raises:
        NoImagesError, UnsupportedFormatError: the mask does not exist.
        GeometryError: it is not aligned with the study.
        InputError: a SEG of other images.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    path = _only_file(mask) if mask.is_dir() else mask
    if is_nifti_name(path.name):
        return _nifti_labels(study, path)
    if path.is_file() and is_dicom(path):
        return _seg_labels(study, path)
    raise UnsupportedFormatError(
        f"{path.name} is not a mask of a study", expected="NIfTI or a DICOM Segmentation", got="another file"
    )


def _only_file(folder: Path) -> Path:
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    found = [path for path in files if is_nifti_name(path.name) or is_dicom(path)] or files
    if len(found) != 1:
        raise NoImagesError(
            f"{folder.name} must contain exactly one mask",
            expected="one NIfTI file or DICOM SEG",
            got=f"{len(found)} files",
        )
    return found[0]


def _nifti_labels(study: Study, path: Path) -> Labels:
    labels = labels_from_nifti(DiskFile(path))
    if (len(labels), labels.size) != (len(study), study.size):
        got, wanted = (f"{len(one)} x {one.size[0]} x {one.size[1]}" for one in (labels, study))
        raise GeometryError(f"{path.name} does not have the shape of its study", expected=wanted, got=got)
    corners = np.array([[x, y, z, 1] for x in (0, study.size[1]) for y in (0, study.size[0]) for z in (0, len(study))])
    shift = np.abs((labels.geometry.affine - study.geometry.affine) @ corners.T).max()
    if shift > MAX_SHIFT_MM:
        raise GeometryError(
            f"{path.name} is not aligned with its study", expected=f"within {MAX_SHIFT_MM} mm", got=f"{shift:.3g} mm"
        )
    return lambda index: labels.read(index).voxels_hu


def _seg_labels(study: Study, path: Path) -> Labels:
    images = study.origin.images
    if not images:
        raise InputError(f"{path.name} refers to DICOM images", expected="a DICOM study", got=study.origin.format)
    wanted = "a DICOM Segmentation that refers to the study's images"
    with distrusted(
        path.name, lambda kind: InputError(f"{path.name} is not a mask of its study", expected=wanted, got=kind)
    ):
        found = study.origin.turn.upright(_seg_pixels(path, images))
    if found.shape[1:] != study.size:
        raise GeometryError(
            f"{path.name} does not have the size of its study", expected=str(study.size), got=str(found.shape[1:])
        )
    return lambda index: np.ascontiguousarray(found[index])


def _seg_pixels(path: Path, images: Sequence[SourceImage]) -> npt.NDArray[np.generic]:
    """(D, H, W) segment numbers, 0 where there is no frame. Raises: any exception of highdicom and pydicom."""
    highdicom: Any = require("highdicom", "dicom")
    options = {"combine_segments": True, "ignore_spatial_locations": True, "assert_missing_frames_are_empty": True}
    seg = highdicom.seg.segread(path)
    sources = {uid for _, _, uid in seg.get_source_image_uids()}
    if not sources or not sources <= {image.sop_instance_uid for image in images}:
        raise ValueError("other images")  # whose frames would otherwise look empty
    if all(image.sop_class_uid not in ENHANCED for image in images):
        uids = [image.sop_instance_uid for image in images]
        return np.asarray(seg.get_pixels_by_source_instance(uids, **options))
    parts: dict[int, npt.NDArray[np.generic]] = {}
    for uid in dict.fromkeys(image.sop_instance_uid for image in images):
        indices = [index for index, image in enumerate(images) if image.sop_instance_uid == uid]
        frames = [images[index].frame + 1 for index in indices]
        parts |= dict(zip(indices, seg.get_pixels_by_source_frame(uid, frames, **options), strict=True))
    return np.stack([parts[index] for index in range(len(images))])
