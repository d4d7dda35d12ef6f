from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import generate_uid

from miniseg_edge.errors import MiniSegError
from miniseg_edge.studies import open_study
from tests.studies.series import SIZE, Edit, drop, header, only, put, stored_slice, write_enhanced, write_series


def test_order_hu_and_geometry_come_from_the_headers(tmp_path: Path) -> None:
    volume = open_study(write_series(tmp_path)).volume()
    np.testing.assert_array_equal(volume.voxels_hu, np.stack([stored_slice(i) for i in range(4)]) - np.float32(1024))
    assert volume.voxels_hu.dtype == np.float32
    assert volume.geometry.slice_spacing_mm == 2.5
    assert volume.geometry.pixel_spacing_mm == (0.8, 0.7)
    assert volume.geometry.voxel_volume_ml == pytest.approx(0.8 * 0.7 * 2.5 / 1000)
    np.testing.assert_allclose(volume.geometry.affine @ [1, 2, 3, 1], [0.7, 1.6, 7.5, 1])
    assert volume.remarks == ()


@pytest.mark.parametrize(
    ("spacing", "places", "said"),
    [
        ((0.001, 0.001), 2.5, ["pixel spacing of 0.001 mm"]),
        ((0.7, 12.0), 2.5, ["pixel spacing of 12 mm"]),
        ((0.8, 0.7), 0.02, ["slice spacing of 0.02 mm"]),
        ((50, 70), 250.0, ["pixel spacing of 50 mm", "pixel spacing of 70 mm", "slice spacing of 250 mm"]),
        ((0.05, 5.0), 20.0, []),
    ],
)
def test_implausible_spacings_are_remarked_upon(
    tmp_path: Path, spacing: tuple[float, float], places: float, said: list[str]
) -> None:
    def edit(index: int, made: Any) -> None:
        made.PixelSpacing, made.ImagePositionPatient = list(spacing), [0, 0, round(places * index, 6)]
        made.SliceThickness = places

    remarks = open_study(write_series(tmp_path, 3, edit)).remarks
    assert [remark.partition(",")[0] for remark in remarks] == [f"implausible {one}" for one in said]


def test_rescale_is_applied_per_slice(tmp_path: Path) -> None:
    def edit(index: int, made: Any) -> None:
        made.RescaleSlope, made.RescaleIntercept = 0.5 + index, -index

    volume = open_study(write_series(tmp_path, 3, edit)).volume()
    for index in range(3):
        expected = stored_slice(index) * (0.5 + index) - index
        np.testing.assert_allclose(volume.voxels_hu[index], expected)


def test_enhanced_frames_are_read_one_by_one(tmp_path: Path) -> None:
    volume = open_study(write_enhanced(tmp_path / "enhanced")).volume()
    expected = np.stack([stored_slice(i) * (1.0 + i) - 1024 for i in range(3)])
    np.testing.assert_array_equal(volume.voxels_hu, expected.astype(np.float32))
    assert [image.frame for image in volume.origin.images] == [2, 1, 0]


def test_a_phase_is_asked_for_and_taken(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "enhanced", phases=2)
    with pytest.raises(MiniSegError, match=r"SEVERAL_SERIES.*2 phases"):
        open_study(path)
    volume = open_study(path, phase=2).volume()
    np.testing.assert_array_equal(volume.voxels_hu[0], stored_slice(10) - np.float32(1024))


@pytest.mark.parametrize(
    ("code", "edit"),
    [
        ("WRONG_MODALITY", put(Modality="MR")),
        ("UNSUPPORTED_FORMAT", put(PhotometricInterpretation="RGB", SamplesPerPixel=3)),
        ("RESCALE", drop("RescaleSlope")),
        ("RESCALE", put(RescaleType="US")),
        ("NO_GEOMETRY", drop("ImagePositionPatient")),
        ("NO_GEOMETRY", drop("ImageOrientationPatient")),
        ("GEOMETRY", put(PixelSpacing=[0, 0.7])),
        ("GEOMETRY", put(PixelSpacing=[-1, 0.7])),
        ("GEOMETRY", put(ImageOrientationPatient=[1, 0, 0, 1, 0, 0])),
        ("GEOMETRY", only(2, put(ImageOrientationPatient=[0, 1, 0, 0, 0, 1]))),
        ("GEOMETRY", only(2, put(ImagePositionPatient=[0, 0, 2.5]))),
        ("GEOMETRY", only(2, put(FrameOfReferenceUID=generate_uid()))),
        ("GEOMETRY_GAP", only(3, put(ImagePositionPatient=[0, 0, 10]))),
        ("SEVERAL_PATIENTS", only(1, put(PatientID="OTHER"))),
        ("SEVERAL_SERIES", only(1, put(SeriesInstanceUID=generate_uid()))),
        ("UNSUPPORTED_FORMAT", put(NumberOfFrames=2)),
        ("NO_IMAGES", put(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])),
        ("INPUT", put(Rows=65535, Columns=65535)),
        ("UNSUPPORTED_FORMAT", only(1, put(PixelData=b"\0" * 100))),
    ],
)
def test_bad_series_are_refused_and_name_no_patient(tmp_path: Path, code: str, edit: Edit) -> None:
    with pytest.raises(MiniSegError) as caught:
        open_study(write_series(tmp_path, 4, edit)).volume()
    assert caught.value.code == code
    assert "secret" not in str(caught.value).lower()


def test_a_truncated_file_names_expected_and_actual_bytes(tmp_path: Path) -> None:
    path = write_series(tmp_path, 1) / "900"
    path.write_bytes(path.read_bytes()[:-100])
    expected = SIZE[0] * SIZE[1] * 2
    with pytest.raises(MiniSegError, match=f"truncated pixel data; expected {expected} bytes, got {expected - 100}"):
        open_study(path).volume()


def test_a_missing_rescale_may_be_given(tmp_path: Path) -> None:
    folder = write_series(tmp_path, 2, drop("RescaleSlope", "RescaleIntercept"))
    volume = open_study(folder, rescale=(1, -1024)).volume()
    np.testing.assert_array_equal(volume.voxels_hu[1], stored_slice(1) - np.float32(1024))


def test_a_series_may_be_chosen(tmp_path: Path) -> None:
    other = generate_uid()
    folder = write_series(tmp_path, 4, only(0, put(SeriesInstanceUID=other)))
    assert len(open_study(folder, series=other)) == 1


def test_localizers_other_files_and_twins_are_left_out_with_a_remark(tmp_path: Path) -> None:
    folder = write_series(tmp_path)
    (folder / "notes.txt").write_text("no image")
    twin, localizer = header(1), header(7)
    twin.save_as(folder / "twin", enforce_file_format=True)
    localizer.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    localizer.save_as(folder / "scout", enforce_file_format=True)
    study = open_study(folder)
    assert len(study) == 4
    assert set(study.remarks) == {
        "left out: 1 x document", "left out: 1 x localizer", "slices that were there twice left out: 1",
    }  # fmt: skip


def test_padding_is_air_and_recorded(tmp_path: Path) -> None:
    value = int(stored_slice(0).min())
    volume = open_study(write_series(tmp_path, 1, put(PixelPaddingValue=value))).volume()
    assert (volume.voxels_hu[0][stored_slice(0) == value] == -1000).all()
    assert volume.remarks == ("padding read as air (-1000 HU) (1 slice)",)


def test_monochrome1_keeps_hu(tmp_path: Path) -> None:
    volume = open_study(write_series(tmp_path, 1, put(PhotometricInterpretation="MONOCHROME1"))).volume()
    np.testing.assert_array_equal(volume.voxels_hu[0], stored_slice(0) - np.float32(1024))
    assert "MONOCHROME1" in volume.remarks[0]


def test_a_file_that_changed_since_it_was_opened_is_refused(tmp_path: Path) -> None:
    folder = write_series(tmp_path, 2)
    study = open_study(folder)
    header(5).save_as(folder / "900", enforce_file_format=True)
    with pytest.raises(MiniSegError, match="changed while it was read"):
        study.volume()


def test_empty_missing_and_foreign(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello")
    for name, code in (("empty", "NO_IMAGES"), ("missing", "NO_IMAGES"), ("text", "UNSUPPORTED_FORMAT")):
        with pytest.raises(MiniSegError) as caught:
            open_study(tmp_path / name)
        assert caught.value.code == code
