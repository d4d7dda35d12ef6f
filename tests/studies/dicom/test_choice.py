"""Which volume is meant: the only one that can be segmented, the one that is named, or a list to choose from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miniseg_edge.errors import AmbiguousStudyError, MiniSegError, RescaleError
from miniseg_edge.studies import list_series, open_study
from miniseg_edge.studies.dicom.body_parts import other_part
from tests.studies.raw_headers import raw_series
from tests.studies.series import SPACING_MM, Edit, both, drop, put, stored_slice, write_series


def series(number: int | str, uid: str, **elements: object) -> Edit:
    return put(SeriesNumber=number, SeriesInstanceUID=uid, **elements)


def shifted(slices: float, first: int = 0) -> Edit:
    """Moves a series along z, by slices, and gives it other pixels."""

    def edit(index: int, made: Any) -> None:
        made.ImagePositionPatient = [0, 0, (index + slices) * SPACING_MM]
        made.PixelData = stored_slice(first + index).tobytes()

    return edit


def gap(index: int, made: Any) -> None:
    if index > 1:
        made.ImagePositionPatient = [0, 0, (index + 2) * SPACING_MM]


UNSUITABLE: dict[str, Edit] = {
    "no geometry": drop("ImagePositionPatient"),
    "coronal": put(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
    "no hounsfield units": put(RescaleType="IODINE"),
    "a gap": gap,
    "two frames": put(NumberOfFrames=2),
    "no thickness": both(drop("SliceThickness"), put(ImagePositionPatient=[0, 0, 0])),
}


@pytest.mark.parametrize("kind", UNSUITABLE)
def test_the_only_series_that_can_be_segmented_is_taken_with_a_remark(tmp_path: Path, kind: str) -> None:
    write_series(tmp_path / "good", 4, series(3, "1.2.3"))
    write_series(tmp_path / "bad", 3, both(series(4, "1.2.4"), UNSUITABLE[kind]))
    study = open_study(tmp_path)
    assert len(study) == 4
    (remark,) = study.remarks
    assert remark.startswith("the one volume of the study that can be segmented was taken; left out: 1 x ")


def test_a_longer_series_that_is_faulty_is_not_passed_over(tmp_path: Path) -> None:
    """The patient's chest has a gap; one slice of something else is not the answer."""
    write_series(tmp_path / "good", 1, series(4, "1.2.4"))
    write_series(tmp_path / "bad", 5, both(series(3, "1.2.3"), gap))
    with pytest.raises(AmbiguousStudyError, match=r"a longer volume of the study.*is faulty.*GEOMETRY_GAP"):
        open_study(tmp_path)
    assert len(open_study(tmp_path, series=4)) == 1


@pytest.fixture
def several(tmp_path: Path) -> Path:
    write_series(
        tmp_path / "a", 4, series(3, "1.2.3", SeriesDescription="Thorax\x1b[2J lung", ConvolutionKernel="B70f")
    )
    write_series(tmp_path / "b", 6, series(12, "1.2.12", SeriesDescription="Thorax soft", ConvolutionKernel="B30f"))
    write_series(tmp_path / "c", 3, both(series(5, "1.2.5"), gap))
    return tmp_path


@pytest.mark.parametrize("element", ["NumberOfFrames", "PixelSpacing", "TemporalPositionIdentifier"])
def test_a_longer_series_with_a_broken_header_is_not_passed_over(tmp_path: Path, element: str) -> None:
    write_series(tmp_path / "good", 3, series(4, "1.2.4"))
    raw_series(tmp_path / "bad", {element: b"2,5\\2,5 "}, 5, series(3, "1.2.3"))
    with pytest.raises(AmbiguousStudyError, match="a longer volume of the study"):
        open_study(tmp_path)


def test_several_are_listed_for_a_choice(several: Path) -> None:
    with pytest.raises(AmbiguousStudyError, match="holds 2 volumes that can be segmented") as caught:
        open_study(several)
    rows = [(one.name, one.uid, one.kernel, one.slices, one.spacing_mm, one.obstacle) for one in caught.value.series]
    assert rows == [
        ("3", "1.2.3", "B70f", 4, 2.5, ""),
        ("5", "1.2.5", "", 3, None, "GEOMETRY_GAP"),
        ("12", "1.2.12", "B30f", 6, 2.5, ""),
    ]
    assert caught.value.series == list_series(several)
    assert caught.value.series[0].description == "Thorax[2J lung", "no control characters"
    assert "Thorax" not in str(caught.value), "the scanner's words are for the person at the terminal alone"


@pytest.mark.parametrize(("name", "slices"), [("3", 4), (3, 4), ("1.2.12", 6), (12, 6), ("03", 4), (" 3 ", 4)])
def test_a_series_is_named_by_number_or_uid(several: Path, name: str | int, slices: int) -> None:
    assert len(open_study(several, series=name)) == slices


@pytest.mark.parametrize("name", ["4", "1.2", "3/1", "3/0", "/", "Thorax"])
def test_a_name_that_nothing_has_is_refused_with_those_there_are(several: Path, name: str) -> None:
    with pytest.raises(AmbiguousStudyError) as caught:
        open_study(several, series=name)
    assert "3" in caught.value.expected


def test_the_fault_of_the_series_that_was_named_is_said(several: Path) -> None:
    with pytest.raises(MiniSegError, match="GEOMETRY_GAP"):
        open_study(several, series=5)


@pytest.mark.parametrize("number", ["3", "", "x"])
def test_series_that_share_a_number_or_have_none_are_named_by_uid(tmp_path: Path, number: str) -> None:
    for uid in ("1.2.3", "1.2.4"):
        edit = drop("SeriesNumber") if number == "" else series(3, uid)
        write_series(tmp_path / uid, 3, both(series(3, uid), edit))
        if number == "x":
            for path in (tmp_path / uid).iterdir():
                path.write_bytes(path.read_bytes().replace(b"IS\x02\x003 ", b"IS\x02\x00x "))
    assert [one.name for one in list_series(tmp_path)] == ["1.2.3", "1.2.4"]
    with pytest.raises(AmbiguousStudyError):
        open_study(tmp_path, series="3")
    assert len(open_study(tmp_path, series="1.2.4")) == 3


def test_two_kernels_in_one_series_are_two_volumes_however_even_they_lie(tmp_path: Path) -> None:
    kernels = both(
        lambda index, made: setattr(made, "ConvolutionKernel", ["B30f", "B70f"][index % 2]), put(SeriesNumber=7)
    )
    write_series(tmp_path, 8, kernels)
    with pytest.raises(AmbiguousStudyError, match=r"7/1.*7/2"):
        open_study(tmp_path)
    for name, kernel, first in (("7/1", "B30f", 0), ("7/2", "B70f", 1)):
        study = open_study(tmp_path, series=name)
        assert (len(study), study.geometry.slice_spacing_mm) == (4, 2 * SPACING_MM)
        np.testing.assert_array_equal(study.read(0).voxels_hu, stored_slice(first) - np.float32(1024))
        assert [one.kernel for one in list_series(tmp_path) if one.name == name] == [kernel]


@pytest.mark.parametrize(
    "told",
    [
        (put(AcquisitionNumber=1), put(AcquisitionNumber=2)),
        (put(ImageType=["ORIGINAL", "PRIMARY", "AXIAL"]), put(ImageType=["DERIVED", "SECONDARY", "AXIAL", "AVERAGE"])),
        (put(AcquisitionNumber=1, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"]),
         put(AcquisitionNumber=2, ImageType=["DERIVED", "PRIMARY", "AXIAL"])),
        (put(ConvolutionKernel="LUNG"), put(ConvolutionKernel="STANDARD")),
        (drop("SliceThickness"), put(ConvolutionKernel="STANDARD")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shift", [0, 0.4, 2])
def test_volumes_that_overlap_in_one_series_are_told_apart(
    tmp_path: Path, told: tuple[Edit, Edit], shift: float
) -> None:
    write_series(tmp_path / "a", 4, told[0])
    write_series(tmp_path / "b", 5, both(told[1], shifted(shift, 20)))
    with pytest.raises(AmbiguousStudyError, match="holds 2 volumes"):
        open_study(tmp_path)
    names = [one.name for one in list_series(tmp_path)]
    assert sorted(len(open_study(tmp_path, series=name)) for name in names) == [4, 5]


def test_two_acquisitions_that_alternate_evenly_are_told_apart(tmp_path: Path) -> None:
    write_series(tmp_path, 8, lambda index, made: setattr(made, "AcquisitionNumber", 1 + index % 2))
    with pytest.raises(AmbiguousStudyError, match="holds 2 volumes"):
        open_study(tmp_path)
    study = open_study(tmp_path, series=[one.name for one in list_series(tmp_path)][1])
    assert (len(study), study.geometry.slice_spacing_mm) == (4, 2 * SPACING_MM)


def test_two_acquisitions_of_two_parts_are_told_apart_too(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 4, put(AcquisitionNumber=1))
    write_series(tmp_path / "b", 5, both(put(AcquisitionNumber=2), shifted(60)))
    assert [(one.slices, one.obstacle) for one in list_series(tmp_path)] == [(4, ""), (5, "")]


def test_steps_of_one_scan_are_one_volume_with_a_remark(tmp_path: Path) -> None:
    write_series(tmp_path, 6, lambda index, made: setattr(made, "AcquisitionNumber", index // 2))
    study = open_study(tmp_path)
    assert (len(study), study.remarks) == (
        6, ("slices of 3 acquisitions make one even stack, and were taken as one volume",),
    )  # fmt: skip


def test_a_lost_slice_between_the_steps_of_a_scan_is_a_gap(tmp_path: Path) -> None:
    write_series(tmp_path, 6, lambda index, made: setattr(made, "AcquisitionNumber", index // 2))
    (tmp_path / "897").unlink()
    with pytest.raises(MiniSegError, match="GEOMETRY_GAP"):
        open_study(tmp_path)


def test_phases_are_told_apart_in_classic_series(tmp_path: Path) -> None:
    for phase in (1, 2):
        edit = both(put(TemporalPositionIdentifier=phase), shifted(0, 30 * phase))
        write_series(tmp_path / str(phase), 4, edit)
    with pytest.raises(AmbiguousStudyError, match="2 phases"):
        open_study(tmp_path)
    study = open_study(tmp_path, phase=2)
    np.testing.assert_array_equal(study.read(0).voxels_hu, stored_slice(60) - np.float32(1024))


def test_the_longest_part_of_a_series_with_a_gap(tmp_path: Path) -> None:
    write_series(tmp_path, 9)
    (tmp_path / "898").unlink()
    with pytest.raises(MiniSegError, match=r"GEOMETRY_GAP.*longest_part=True"):
        open_study(tmp_path)
    study = open_study(tmp_path, longest_part=True)
    assert len(study) == 6
    assert study.remarks == ("only the longest evenly spaced part was taken: 6 of 8 slices",)


@pytest.mark.parametrize("unit", ["HU", "hu", "HU ", "HU\0", "Hounsfield", "HOUNSFIELD UNITS", "H.U.", ""])
def test_hounsfield_units_in_other_spellings(tmp_path: Path, unit: str) -> None:
    assert open_study(write_series(tmp_path, 2, put(RescaleType=unit))).volume().remarks == ()


@pytest.mark.parametrize("value", [b"1,0 ", b"SECRET", b"1\\1 "])
def test_slopes_that_are_no_numbers_need_a_rescale(tmp_path: Path, value: bytes) -> None:
    raw_series(tmp_path, {"RescaleSlope": value}, 3)
    with pytest.raises(RescaleError, match=r"got no numbers.*--rescale") as caught:
        open_study(tmp_path)
    assert "SECRET" not in str(caught.value)
    assert len(open_study(tmp_path, rescale=(1, -1024))) == 3


def test_unspecified_units_need_a_rescale(tmp_path: Path) -> None:
    folder = write_series(tmp_path, 2, put(RescaleType="US"))
    with pytest.raises(MiniSegError, match=r"RESCALE.*--rescale"):
        open_study(folder)
    assert open_study(folder, rescale=(1, -1000)).read(0).voxels_hu.min() == stored_slice(0).min() - 1000


@pytest.mark.parametrize("unit", ["Z_EFF", "ED", "MGML", "HU_MOD", "SECRET"])
def test_other_units_are_refused_without_naming_them(tmp_path: Path, unit: str) -> None:
    with pytest.raises(MiniSegError, match="RESCALE") as caught:
        open_study(write_series(tmp_path, 2, put(RescaleType=unit)), rescale=(1, -1000))
    assert unit not in str(caught.value)


@pytest.mark.parametrize(
    ("body_part", "ours"),
    [("HEAD", "the head"), ("BRAIN", "the head"), ("ABDOMEN", "the abdomen"), ("ABDPEL", "the abdomen"),
     ("PELVIS", "the pelvis"), ("NECK", "the neck"), ("CHEST", None), ("CHESTABDPELVIS", None), ("THORAX", None),
     ("WHOLEBODY", None), ("", None), ("SECRET", None)],
)  # fmt: skip
def test_another_part_of_the_body_is_remarked_in_our_words(tmp_path: Path, body_part: str, ours: str | None) -> None:
    assert other_part(body_part) == ours
    remarks = open_study(write_series(tmp_path, 2, put(BodyPartExamined=body_part))).remarks
    assert remarks == (() if ours is None else (f"the header names {ours}; the network was trained on chest CT",))
