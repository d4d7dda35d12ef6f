"""Overlays as secondary captures."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from miniseg_edge.studies import open_study
from miniseg_edge.studies.reports.dicom_sc import dicom_sc_from_slice
from miniseg_edge.studies.seg.dicom_seg import seg_sources
from miniseg_edge.studies.study import Study
from miniseg_edge.studies.turning import Turn
from tests.studies.raw_headers import dciodvfy_errors
from tests.studies.seg.test_dicom_seg import MASK
from tests.studies.series import SERIES_UID, STUDY_UID, write_enhanced, write_series
from tests.studies.test_turning import stored_by

TIMES = 7
"""Of the phantoms' 48 columns, so that words are legible."""


def capture_of(study: Study, index: int, path: Path) -> Any:
    """The capture as it comes back from the disk, where the verifier finds no error in it."""
    sources = seg_sources(study.geometry, study.origin)
    slice_hu = study.read(index).voxels_hu
    data = dicom_sc_from_slice(slice_hu, MASK[index], index, sources, bundle_digest="d" * 64, ran="native fp32 cpu")
    path.write_bytes(data)
    assert dciodvfy_errors(path) == []
    return pydicom.dcmread(io.BytesIO(data))


@pytest.mark.parametrize("enhanced", [False, True])
def test_the_lesion_is_drawn_where_it_is(enhanced: bool, tmp_path: Path) -> None:
    study = open_study(write_enhanced(tmp_path / "ct.dcm", 6) if enhanced else write_series(tmp_path / "ct", 6))
    made = capture_of(study, 1, tmp_path / "sc.dcm")
    assert made.BurnedInAnnotation == "NO", "the words name neither the patient nor a date"
    band = made.pixel_array[: -64 * TIMES]
    assert (band.max(axis=-1) > 200).sum() > 500, "words"
    picture = made.pixel_array[-64 * TIMES :: TIMES, ::TIMES].astype(int)
    np.testing.assert_array_equal(np.ptp(picture, axis=-1) > 0, MASK[1] > 0)
    (source,) = made.SourceImageSequence
    image = study.origin.images[1]
    assert source.ReferencedSOPInstanceUID == image.sop_instance_uid
    assert source.get("ReferencedFrameNumber") == (image.frame + 1 if enhanced else None)
    assert (made.StudyInstanceUID, made.PatientID, made.InstanceNumber) == (STUDY_UID, "SECRET-ID", 2)
    assert "research only" in made.SeriesDescription
    assert (made.DeviceSerialNumber, made.SoftwareVersions[-1]) == ("d" * 64, "native fp32 cpu")
    assert made.PatientOrientation == ["L", "P"]


def test_slices_make_one_series_of_instances_that_stay_the_same(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "ct", 6))
    made = [capture_of(study, index, tmp_path / "sc.dcm") for index in (0, 1, 1)]
    (series,) = {one.SeriesInstanceUID for one in made}
    assert series != SERIES_UID
    assert made[0].SOPInstanceUID != made[1].SOPInstanceUID == made[2].SOPInstanceUID


def test_slices_are_shown_as_they_are_stored(tmp_path: Path) -> None:
    plain = open_study(write_series(tmp_path / "plain", 6))
    turned = open_study(write_series(tmp_path / "turned", 6, stored_by(Turn(rows_reversed=True))))
    band, picture = np.split(capture_of(plain, 1, tmp_path / "a.dcm").pixel_array, [-64 * TIMES])
    found = capture_of(turned, 1, tmp_path / "b.dcm")
    assert found.PatientOrientation == ["L", "A"]
    np.testing.assert_array_equal(found.pixel_array[len(band) :], picture[::-1])
