"""The door: a path of any kind that scanners and archives write, to a study."""

import os
from pathlib import Path

from miniseg_edge.errors import NoImagesError
from miniseg_edge.limits import host_limits
from miniseg_edge.studies.dicom_frames import Rescale
from miniseg_edge.studies.dicom_series import study_from_dicom
from miniseg_edge.studies.nifti import SUFFIXES, study_from_nifti
from miniseg_edge.studies.study import Study


@host_limits()
def open_study(
    source: str | os.PathLike[str],
    *,
    series: str | None = None,
    phase: int | None = None,
    rescale: Rescale | None = None,
) -> Study:
    """Opens a CT study; its pixels are read later, slice by slice.

    Args:
        source: a DICOM file, a folder of them, or a NIfTI file of HU.
        series: SeriesInstanceUID, where the folder holds several.
        phase: of a series in time: DICOM's temporal position, or NIfTI's index along the fourth axis.
        rescale: slope and intercept where DICOM headers lack them.

    Raises:
        NoImagesError, UnsupportedFormatError: nothing there, or nothing that can be read.
        WrongModalityError, RescaleError: no CT, or no HU.
        AmbiguousStudyError: several series or phases and no choice; SeveralPatientsError: several patients.
        GeometryError: no geometry (NoGeometryError), gaps (GeometryGapError), or slices that do not fit together.
        InputError: over the budget.
        MissingDependencyError: the extra `dicom` is not installed.
        HostMemoryError: it does not fit into memory.
    """
    path = Path(source)
    if not path.exists():
        raise NoImagesError(f"{path.name} does not exist", "a file or a folder", "nothing there")
    if path.is_file() and path.name.lower().endswith(SUFFIXES):
        return study_from_nifti(path, phase)
    return study_from_dicom(path, series, phase, rescale)
