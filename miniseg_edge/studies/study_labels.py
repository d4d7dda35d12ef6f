"""The labels of a study, slice by slice: a NIfTI mask on the same grid, or a DICOM Segmentation of the same images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from miniseg_edge.dependencies import require
from miniseg_edge.errors import GeometryError, InputError, NoImagesError, UnsupportedFormatError
from miniseg_edge.studies.dicom_file import is_dicom
from miniseg_edge.studies.nifti import SUFFIXES, study_from_nifti
from miniseg_edge.studies.study import Study

MAX_SHIFT_MM = 0.5
"""How far a mask's voxels may lie from the study's: less than the finest CT pixel, more than rounding."""

Labels = Callable[[int], npt.NDArray[np.generic]]
"""Index of a slice -> its stored label values (H, W)."""


def study_labels(study: Study, mask: Path) -> Labels:
    """Opens the labels of a study.

    Args:
        study: what was labelled.
        mask: a NIfTI file, a DICOM SEG, or a folder with one of them.

    Returns:
        A function from a slice's index, 0..len(study) - 1, to its stored values (H, W); segment numbers of a SEG.

    Raises:
        NoImagesError, UnsupportedFormatError: no such mask there.
        GeometryError: it lies elsewhere than the study.
        InputError: a SEG of other images.
        MissingDependencyError: the extra `dicom` is not installed.
    """
    path = _only_file(mask) if mask.is_dir() else mask
    if path.name.lower().endswith(SUFFIXES):
        return _nifti_labels(study, path)
    if path.is_file() and is_dicom(path):
        return _seg_labels(study, path)
    raise UnsupportedFormatError(f"{path.name} is no mask of a study", "NIfTI or a DICOM Segmentation", "another file")


def _only_file(folder: Path) -> Path:
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if len(found) != 1:
        raise NoImagesError(f"{folder.name} holds no single mask", "one NIfTI file or DICOM SEG", f"{len(found)} files")
    return found[0]


def _nifti_labels(study: Study, path: Path) -> Labels:
    labels = study_from_nifti(path, None)
    if (len(labels), labels.size) != (len(study), study.size):
        got, wanted = (f"{len(one)} x {one.size[0]} x {one.size[1]}" for one in (labels, study))
        raise GeometryError(f"{path.name} has another shape than its study", wanted, got)
    corners = np.array([[x, y, z, 1] for x in (0, study.size[1]) for y in (0, study.size[0]) for z in (0, len(study))])
    shift = np.abs((labels.geometry.affine - study.geometry.affine) @ corners.T).max()
    if shift > MAX_SHIFT_MM:
        raise GeometryError(
            f"{path.name} lies elsewhere than its study", f"within {MAX_SHIFT_MM} mm", f"{shift:.3g} mm"
        )
    return lambda index: labels.read(index).voxels_hu


def _seg_labels(study: Study, path: Path) -> Labels:
    images = study.origin.images
    if not images:
        raise InputError(f"{path.name} refers to DICOM images", "a DICOM study", study.origin.format)
    highdicom: Any = require("highdicom", "dicom")
    options = {"combine_segments": True, "ignore_spatial_locations": True, "assert_missing_frames_are_empty": True}
    try:
        seg = highdicom.seg.segread(path)
        sources = {uid for _, _, uid in seg.get_source_image_uids()}
        if not sources or not sources <= {image.sop_instance_uid for image in images}:
            raise ValueError("other images")  # whose frames would otherwise pass for empty ones
        if len({image.path for image in images}) == len(images):
            uids = [image.sop_instance_uid for image in images]
            found = seg.get_pixels_by_source_instance(uids, **options)
        else:
            frames = [image.frame + 1 for image in images]
            found = seg.get_pixels_by_source_frame(images[0].sop_instance_uid, frames, **options)
    except Exception as error:  # highdicom and pydicom raise many kinds about what is no SEG of these images
        wanted = "a DICOM Segmentation that refers to the study's images"
        raise InputError(f"{path.name} is no mask of its study", wanted, type(error).__name__) from error
    if found.shape[1:] != study.size:
        raise GeometryError(f"{path.name} has another size than its study", str(study.size), str(found.shape[1:]))
    return lambda index: np.asarray(found[index])
