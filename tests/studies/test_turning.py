"""Slices stored in any of the eight ways are one and the same volume, and results go back into each."""

import io
import itertools
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from miniseg_edge.errors import NotAxialError
from miniseg_edge.studies import open_study
from miniseg_edge.studies.labels.of_studies import study_labels
from miniseg_edge.studies.nifti.mask import nifti_from_mask
from miniseg_edge.studies.seg.dicom_seg import dicom_seg_from_mask, seg_sources
from miniseg_edge.studies.turning import Turn, turn_of
from tests.studies.series import SIZE, SPACING_MM, Edit, stored_slice, write_series

TURNS = [Turn(*flags) for flags in itertools.product((False, True), repeat=3)]
ROW, COLUMN = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
PIXEL_MM = {"row": 0.7, "column": 0.8}
"""Between columns, along a row, and between rows."""


def stored_by(turn: Turn, tilt: float = 0.0) -> Edit:
    """An edit that stores each slice of `write_series` turned, with a header that still states its position."""
    row, column = ROW, np.array([0.0, np.cos(tilt), np.sin(tilt)])

    def edit(index: int, made: Any) -> None:
        turned = turn.stored(stored_slice(index))
        along_row, along_column, spacing = row, column, [0.8, 0.7]
        position = np.array([-20.0, 15.0, index * SPACING_MM])
        if turn.columns_reversed:
            position, along_row = position + row * 0.7 * (SIZE[1] - 1), -row
        if turn.rows_reversed:
            position, along_column = position + column * 0.8 * (SIZE[0] - 1), -column
        if turn.transposed:
            along_row, along_column, spacing = along_column, along_row, [0.7, 0.8]
        made.ImagePositionPatient = [f"{value:.4f}" for value in position]
        made.ImageOrientationPatient = [f"{value:.8f}" for value in (*along_row, *along_column)]
        made.PixelSpacing = spacing
        made.Rows, made.Columns = turned.shape
        made.PixelData = np.ascontiguousarray(turned).tobytes()

    return edit


@pytest.mark.parametrize("turn", TURNS, ids=str)
@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_every_storage_order_is_the_same_volume(tmp_path: Path, turn: Turn, tilt: float) -> None:
    upright = open_study(write_series(tmp_path / "upright", 3, stored_by(Turn(), tilt))).volume()
    study = open_study(write_series(tmp_path / "turned", 3, stored_by(turn, tilt)))
    volume = study.volume()
    np.testing.assert_array_equal(volume.voxels_hu, upright.voxels_hu)
    np.testing.assert_allclose(volume.geometry.affine, upright.geometry.affine, atol=1e-3)
    assert volume.geometry.tilt_degrees == pytest.approx(np.degrees(tilt), abs=1e-3)
    assert any("turned" in remark for remark in study.remarks) == (turn != Turn())


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_results_go_back_into_the_stored_geometry(tmp_path: Path, turn: Turn) -> None:
    folder = write_series(tmp_path / "series", 3, stored_by(turn))
    study = open_study(folder)
    mask = np.zeros((3, *study.size), np.uint8)
    mask[0, 5:9, 3:20], mask[1, 30:33, 40:44], mask[2, 60:, :2] = 1, 1, 1
    expected = lesion_points(mask, study.geometry.affine)

    image = nibabel.Nifti1Image.from_bytes(nifti_from_mask(mask, study.geometry, study.origin))
    stored = np.asanyarray(image.dataobj)
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    assert stored.shape[:2] == (files[0].Columns, files[0].Rows)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    assert_same_points(lesion_points(stored.transpose(2, 1, 0), lps), expected)
    along_row = lps[:3, 0] / np.linalg.norm(lps[:3, 0])
    np.testing.assert_allclose(along_row, np.asarray(files[0].ImageOrientationPatient[:3], float), atol=1e-6)

    data = dicom_seg_from_mask(mask, seg_sources(study.geometry, study.origin), "d" * 64)
    seg = pydicom.dcmread(io.BytesIO(data))
    found = []
    by_uid = {one.SOPInstanceUID: one for one in files}
    for frame, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        source = by_uid[group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        found.append(lesion_points(frame[None], affine_of(source)))
    assert_same_points(np.concatenate(found), expected)

    (tmp_path / "seg.dcm").write_bytes(data)
    labels = study_labels(study, tmp_path / "seg.dcm")
    np.testing.assert_array_equal(np.stack([labels(index) for index in range(3)]), mask)


@pytest.mark.parametrize("normal", ["coronal", "sagittal"])
def test_other_planes_are_refused_by_name(tmp_path: Path, normal: str) -> None:
    directions = {"coronal": [1, 0, 0, 0, 0, -1], "sagittal": [0, 1, 0, 0, 0, -1]}[normal]

    def edit(index: int, made: Any) -> None:
        made.ImageOrientationPatient = directions
        across = np.cross(directions[:3], directions[3:])
        made.ImagePositionPatient = list(across * index * SPACING_MM)

    with pytest.raises(NotAxialError, match=f"NOT_AXIAL: the slices are {normal}.*axial series"):
        open_study(write_series(tmp_path, 3, edit))


def test_a_turn_and_back_is_nothing() -> None:
    slices = np.arange(2 * 3 * 5).reshape(2, 3, 5)
    for turn in TURNS:
        np.testing.assert_array_equal(turn.stored(turn.upright(slices)), slices)
        np.testing.assert_array_equal(turn.upright(turn.stored(slices)), slices)


def test_the_nearest_turn_is_taken_for_oblique_slices() -> None:
    for turn, degrees in itertools.product(TURNS, (-40, -10, 0, 25, 44)):
        angle = np.radians(degrees)
        row = np.array([np.cos(angle), np.sin(angle), 0.0])
        column = np.array([-np.sin(angle), np.cos(angle), 0.0])
        row, column = (-row if turn.columns_reversed else row), (-column if turn.rows_reversed else column)
        stored = (column, row) if turn.transposed else (row, column)
        assert turn_of(*(tuple(map(float, one)) for one in stored)) == turn  # type: ignore[arg-type]


def lesion_points(mask: npt.NDArray[np.generic], affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where in the patient the lesion voxels lie: (N, 3) mm."""
    found = np.argwhere(mask)
    columns = np.stack([found[:, 2], found[:, 1], found[:, 0], np.ones(len(found))])
    return np.asarray((affine @ columns)[:3].T, np.float64)


def assert_same_points(found: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> None:
    assert found.shape == expected.shape
    one, other = (np.array(sorted(map(tuple, points.round(3)))) for points in (found, expected))
    np.testing.assert_allclose(one, other, atol=2e-3)


def affine_of(header: Any) -> npt.NDArray[np.float64]:
    """From (column, row, 0, 1) of a DICOM image to the patient."""
    affine = np.eye(4)
    affine[:3, 0] = np.asarray(header.ImageOrientationPatient[:3], float) * header.PixelSpacing[1]
    affine[:3, 1] = np.asarray(header.ImageOrientationPatient[3:], float) * header.PixelSpacing[0]
    affine[:3, 3] = np.asarray(header.ImagePositionPatient, float)
    return affine
