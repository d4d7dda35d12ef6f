"""Opens a study from a path of any kind that scanners and archives write."""

import math
import os
from dataclasses import replace
from pathlib import Path

from miniseg_edge.errors import NoImagesError, UsageError
from miniseg_edge.host.limits import host_limits
from miniseg_edge.studies.dicom.choice import SeriesSummary
from miniseg_edge.studies.dicom.dicomdir import is_dicomdir
from miniseg_edge.studies.dicom.frames import Rescale
from miniseg_edge.studies.dicom.series import series_in_dicom, study_from_dicom
from miniseg_edge.studies.dicom.volumes import Reading
from miniseg_edge.studies.nifti.names import nifti_at
from miniseg_edge.studies.nifti.study import study_from_nifti
from miniseg_edge.studies.study import Study, rescaled


@host_limits()
def open_study(
    source: str | os.PathLike[str],
    *,
    series: str | int | None = None,
    phase: int | None = None,
    rescale: Rescale | None = None,
    longest_part: bool = False,
) -> Study:
    """Opens a CT study; its pixels are read later, slice by slice.

    Args:
        source: a DICOM file, a folder of them, a DICOMDIR, a zip, or a NIfTI file of HU; a folder or a zip
            with one NIfTI file, too.
        series: number or UID of the series if several can be segmented, with "/1", "/2", ... if it contains several
            volumes; the error and `list_series` list them.
        phase: of a time series: DICOM's temporal position, or NIfTI's index along the fourth axis.
        rescale: slope and intercept: HU = slope x stored + intercept, regardless of the headers. For NIfTI, the values
            as scaled by its header count as stored. A remark says so.
        longest_part: use the longest evenly spaced part of a series with a gap or with two spacings.

    Raises:
        NoImagesError, UnsupportedFormatError: there is nothing, or something that cannot be read.
        WrongModalityError, RescaleError: not CT, or not HU.
        AmbiguousStudyError: several series, NIfTI files or phases, and no choice.
        SeveralPatientsError: several patients.
        GeometryError: no geometry (NoGeometryError), gaps (GeometryGapError), slices that do not fit together or are
            not axial.
        InputError: a size limit is exceeded.
        UsageError: a series or a part was requested of NIfTI; or the rescale is invalid.
        MissingDependencyError: the extra `dicom` is not installed.
        HostMemoryError: the study does not fit into memory.
    """
    path = _existing(source)
    if rescale is not None and not (all(map(math.isfinite, rescale)) and rescale[0]):
        raise UsageError(
            "the rescale is invalid",
            expected="finite numbers, a slope other than 0",
            got=f"{rescale[0]:g} {rescale[1]:g}",
        )
    if (nifti := nifti_at(path)) is not None:
        if series is not None or longest_part:
            raise UsageError(
                "a NIfTI file contains one volume", expected="neither --series nor --part", got="one of them"
            )
        study, others = study_from_nifti(nifti.file, phase), nifti.remarks
        study = study if rescale is None else rescaled(study, *rescale)
    else:
        reading = Reading(None if series is None else str(series), phase, rescale, longest_part)
        study, others = study_from_dicom(path, reading), ()
    told = () if rescale is None else (f"HU = {rescale[0]:g} x stored {rescale[1]:+g}, as told",)
    return replace(study, remarks=(*study.remarks, *others, *told))


@host_limits()
def list_series(source: str | os.PathLike[str], *, rescale: Rescale | None = None) -> tuple[SeriesSummary, ...]:
    """The volumes of a DICOM study, each with the reason if it cannot be segmented.

    Args:
        source, rescale: as in `open_study`.

    Raises: as `open_study`, except AmbiguousStudyError; UsageError for NIfTI.
    """
    path = _existing(source)
    if nifti_at(path) is not None:
        raise UsageError(
            "only DICOM studies have series to list", expected="a DICOM study", got="a NIfTI file, which is one volume"
        )
    return series_in_dicom(path, Reading(rescale=rescale))


def _existing(source: str | os.PathLike[str]) -> Path:
    path = Path(source)
    if not path.exists():
        raise NoImagesError(f"{path.name} does not exist", expected="a file or a folder", got="nothing there")
    return path.parent if is_dicomdir(path.name) and path.is_file() else path
