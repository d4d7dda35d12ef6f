import copy
import gzip
import io
import shutil
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from miniseg_edge.errors import DicomSegError, InputError, UsageError
from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies import open_study
from miniseg_edge.studies.labels.of_studies import study_labels
from miniseg_edge.studies.seg.dicom_seg import SEG_FRAMES, SegFrames, dicom_seg_from_mask, seg_sources
from miniseg_edge.studies.study import Study
from miniseg_edge.studies.turning import Turn
from miniseg_edge.studies.volume import Origin
from tests.studies.raw_headers import Raw, dciodvfy_errors, raw_series
from tests.studies.series import SERIES_UID, SIZE, put, write_enhanced, write_series
from tests.studies.test_turning import stored_by

DEPTH = 6
MASK = np.zeros((DEPTH, *SIZE), np.uint8)
MASK[1, 10:20, 12:30] = MASK[3, 30:33, 5:40] = 1
"""Lesion in two slices, and one without between them."""


def seg_of(study: Study, mask: ByteArray, path: Path, frames: SegFrames = "range") -> Any:
    """The SEG as it comes back from the disk, where the verifier finds no error in it."""
    sources = seg_sources(study.geometry, study.origin)
    path.write_bytes(dicom_seg_from_mask(mask, sources, "d" * 64, "openvino fp32 cpu", frames=frames))
    assert dciodvfy_errors(path) == []
    return pydicom.dcmread(path)


def slices_of(seg: Any, study: Study) -> list[int]:
    """Which slice each frame refers to, and lies where; highdicom puts the last slice first."""
    places = {(image.sop_instance_uid, image.frame): index for index, image in enumerate(study.origin.images)}
    found = []
    for group in seg.PerFrameFunctionalGroupsSequence:
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        index = places[source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber", 1) - 1]
        position = group.PlanePositionSequence[0].ImagePositionPatient
        assert position == pytest.approx(study.origin.images[index].position_mm)
        found.append(index)
    return found


@pytest.mark.parametrize(
    ("frames", "expected"), [("lesion", [1, 3]), ("range", [1, 2, 3]), ("all", list(range(DEPTH)))]
)
@pytest.mark.parametrize("enhanced", [False, True])
def test_frames_are_the_slices_that_were_asked_for(
    tmp_path: Path, frames: SegFrames, expected: list[int], enhanced: bool
) -> None:
    source = write_enhanced(tmp_path / "one", DEPTH) if enhanced else write_series(tmp_path / "series", DEPTH)
    study = open_study(source)
    seg = seg_of(study, MASK, tmp_path / "seg.dcm", frames)
    assert slices_of(seg, study) == expected[::-1]
    np.testing.assert_array_equal(seg.pixel_array.reshape(-1, *SIZE), MASK[expected[::-1]])
    labels = study_labels(study, tmp_path / "seg.dcm")
    np.testing.assert_array_equal([labels(index) for index in range(DEPTH)], MASK)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy of Debian's package dicom3tools")
def test_the_verifier_of_these_tests_finds_errors_where_there_are_some(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "series", DEPTH))
    seg = seg_of(study, MASK, tmp_path / "seg.dcm")
    for keyword, value in (("PatientSex", "X"), ("StudyDescription", "x" * 65), ("StudyInstanceUID", "1.02.3")):
        broken = copy.deepcopy(seg)
        with pydicom.config.disable_value_validation():
            setattr(broken, keyword, value)
        broken.save_as(tmp_path / "broken.dcm")
        assert dciodvfy_errors(tmp_path / "broken.dcm") != [], keyword


def test_without_a_gap_by_default_and_all_slices_without_lesion(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "series", DEPTH))
    sources = seg_sources(study.geometry, study.origin)
    seg = pydicom.dcmread(io.BytesIO(dicom_seg_from_mask(MASK, sources, "d" * 64)))
    assert slices_of(seg, study) == [3, 2, 1]
    assert seg.DimensionOrganizationType == "3D"
    empty = np.zeros_like(MASK)
    for frames in SEG_FRAMES:
        assert seg_of(study, empty, tmp_path / "seg.dcm", frames).NumberOfFrames == DEPTH
    with pytest.raises(UsageError, match="lesion, range, all"):
        dicom_seg_from_mask(MASK, sources, "d" * 64, frames="some")  # type: ignore[arg-type]


def test_highdicom_reads_the_range_as_one_volume(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "series", DEPTH))
    seg_of(study, MASK, tmp_path / "seg.dcm")
    volume = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    assert volume.spacing == pytest.approx((2.5, 0.8, 0.7))
    np.testing.assert_array_equal(np.sort(volume.array.sum(axis=(1, 2))), [0, 105, 180])


def test_every_image_of_the_series_is_referred_to(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "series", DEPTH))
    seg = seg_of(study, MASK, tmp_path / "seg.dcm")
    everyone = {image.sop_instance_uid for image in study.origin.images}
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == SERIES_UID
    for sequence in (series.ReferencedInstanceSequence, seg.SourceImageSequence):
        assert {one.ReferencedSOPInstanceUID for one in sequence} == everyone


def test_a_phase_of_an_enhanced_object_refers_to_its_own_frames(tmp_path: Path) -> None:
    study = open_study(write_enhanced(tmp_path / "one", 3, phases=2), phase=2)
    seg = seg_of(study, MASK[1:4], tmp_path / "seg.dcm")
    assert slices_of(seg, study) == [2, 1, 0]
    sources = [
        group.DerivationImageSequence[0].SourceImageSequence[0] for group in seg.PerFrameFunctionalGroupsSequence
    ]
    assert [source.ReferencedFrameNumber for source in sources] == [4, 5, 6]  # the object begins with the last slice


def test_several_enhanced_objects_are_one_volume(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    for name, first in (("a", 0), ("b", 3)):
        folder.mkdir(exist_ok=True)
        one = pydicom.dcmread(write_enhanced(folder / name, 3))
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        for group in one.PerFrameFunctionalGroupsSequence:
            group.PlanePositionSequence[0].ImagePositionPatient[2] += first * 2.5
        one.save_as(folder / name)
    study = open_study(folder)
    seg = seg_of(study, MASK, tmp_path / "seg.dcm")
    assert slices_of(seg, study) == [3, 2, 1]
    labels = study_labels(study, tmp_path / "seg.dcm")
    np.testing.assert_array_equal([labels(index) for index in range(DEPTH)], MASK)


def test_a_mask_of_classes_is_lesion_where_it_is_not_0(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "series", DEPTH))
    seg = seg_of(study, MASK * 3, tmp_path / "seg.dcm")
    np.testing.assert_array_equal(seg.pixel_array, MASK[3:0:-1])


def test_a_tilted_series_has_the_distance_between_its_planes(tmp_path: Path) -> None:
    lean = 18.5

    def tilted(index: int, made: Any) -> None:
        angle = np.radians(lean)
        made.ImageOrientationPatient = [1, 0, 0, 0, float(np.cos(angle)), -float(np.sin(angle))]
        made.ImagePositionPatient = [0, 0, index * 4.0]
        made.SpacingBetweenSlices = 4.0  # along the table, as scanners write it

    study = open_study(write_series(tmp_path / "series", DEPTH, tilted))
    seg = seg_of(study, MASK, tmp_path / "seg.dcm")
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SpacingBetweenSlices == pytest.approx(4.0 * np.cos(np.radians(lean)), abs=1e-6)
    assert measures.SpacingBetweenSlices == pytest.approx(study.geometry.slice_spacing_mm, abs=1e-6)
    assert measures.PixelSpacing == [0.8, 0.7]


@pytest.mark.parametrize(
    "directions", [[1.005, 0, 0, 0, 0.995, 0], [0.866, 0.5, 0, -0.5, 0.866, 0], [1, 0.008, 0, 0, 1, 0]]
)
def test_directions_that_are_nearly_unit_vectors_are_such_in_the_seg(tmp_path: Path, directions: list[float]) -> None:
    series = write_series(tmp_path / "series", DEPTH, put(ImageOrientationPatient=directions))
    shared = seg_of(open_study(series), MASK, tmp_path / "seg.dcm").SharedFunctionalGroupsSequence[0]
    written = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, np.float64).reshape(2, 3)
    np.testing.assert_allclose(written @ written.T, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(written.ravel(), directions, atol=0.01)


def test_a_single_slice_has_no_spacing(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "series", 1))
    measures = seg_of(study, MASK[1:2], tmp_path / "seg.dcm").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.SliceThickness, "SpacingBetweenSlices" in measures) == (3, False)


@pytest.mark.parametrize("value", [None, b"", b"SECRET", b"1.02.3"])
@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "SeriesInstanceUID"])
def test_without_a_valid_identifier_the_seg_has_one_of_its_own(
    tmp_path: Path, keyword: str, value: bytes | None
) -> None:
    study = open_study(raw_series(tmp_path / "series", {keyword: value}, 3))
    segs = [seg_of(study, MASK[1:4], tmp_path / "seg.dcm") for _ in range(2)]
    found = {(one.FrameOfReferenceUID, one.ReferencedSeriesSequence[0].SeriesInstanceUID) for one in segs}
    assert len(found) == 1
    assert segs[0].SOPInstanceUID == segs[1].SOPInstanceUID
    remarks = seg_sources(study.geometry, study.origin).remarks
    assert f"DICOM SEG: the series has no valid {keyword}; the SEG has one of its own" in remarks
    assert "SECRET" not in " ".join(remarks)
    labels = study_labels(study, tmp_path / "seg.dcm")
    np.testing.assert_array_equal([labels(index) for index in range(3)], MASK[1:4])


@pytest.mark.parametrize("value", [None, b"", b"0", b"-1", b"3 SECRET", b"nan"])
def test_without_a_thickness_the_seg_has_the_distance_between_slices(tmp_path: Path, value: bytes | None) -> None:
    study = open_study(raw_series(tmp_path / "series", {"SliceThickness": value}, 3))
    measures = seg_of(study, MASK[1:4], tmp_path / "seg.dcm").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SliceThickness == 2.5
    assert any("SliceThickness" in remark for remark in seg_sources(study.geometry, study.origin).remarks)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"7", 1007), (b"0", 1000), (b"-5", 995), (b"2147483647", 1000), (b"SECRET", 1000), (None, 1000)],
)
def test_the_series_number_is_behind_the_scanners(tmp_path: Path, value: bytes | None, expected: int) -> None:
    study = open_study(raw_series(tmp_path / "series", {"SeriesNumber": value}))
    assert seg_of(study, MASK[1:3], tmp_path / "seg.dcm").SeriesNumber == expected


def test_a_series_that_was_compressed_with_losses_says_so(tmp_path: Path) -> None:
    elements = {
        **{"LossyImageCompression": b"01", "LossyImageCompressionRatio": b"10"},
        "LossyImageCompressionMethod": b"ISO_10918_1",
    }
    study = open_study(raw_series(tmp_path / "series", elements))
    seg = seg_of(study, MASK[1:3], tmp_path / "seg.dcm")
    assert (seg.LossyImageCompression, seg.LossyImageCompressionRatio) == ("01", 10)


def test_the_scanner_is_named(tmp_path: Path) -> None:
    elements = {"Manufacturer": b"SIEMENS", "SoftwareVersions": b"a\\b", "InstitutionName": b"Spital Z\xfcrich"}
    study = open_study(raw_series(tmp_path / "series", {"SpecificCharacterSet": b"ISO_IR 100", **elements}))
    scanner = seg_of(study, MASK[1:3], tmp_path / "seg.dcm").ContributingEquipmentSequence[0]
    assert (scanner.Manufacturer, scanner.SoftwareVersions, scanner.InstitutionName) == (
        "SIEMENS", ["a", "b"], "Spital Zürich",
    )  # fmt: skip


@pytest.mark.parametrize("form", ["zip", "gzip", "without preamble", "turned"])
def test_a_seg_of_every_form_of_series(tmp_path: Path, form: str) -> None:
    turn = Turn(transposed=True, columns_reversed=True) if form == "turned" else Turn()
    source = write_series(tmp_path / "series", DEPTH, stored_by(turn))
    paths = sorted(source.iterdir())
    if form == "zip":
        source = tmp_path / "series.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in paths:
                archive.write(path, path.name)
    for path in paths:
        data = path.read_bytes()
        if form == "gzip":
            path.unlink()
            path.with_suffix(".dcm.gz").write_bytes(gzip.compress(data))
        if form == "without preamble":
            path.write_bytes(data[132:])
    study = open_study(source)
    seg = seg_of(study, MASK, tmp_path / "seg.dcm")
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for index, frame in zip(slices_of(seg, study), frames, strict=True):
        np.testing.assert_array_equal(frame, turn.stored(MASK[index]))


def same_for_all(index: int, made: Any) -> None:
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = "1.2.3"


def of_one(keyword: str, value: str | None) -> Callable[[int, Any], None]:
    def edit(index: int, made: Any) -> None:
        if index == 1:
            made.pop(keyword) if value is None else setattr(made, keyword, value)

    return edit


IMPOSSIBLE: dict[str, tuple[Raw, Callable[[int, Any], None]]] = {
    "SOPInstanceUID, one for each image": ({}, same_for_all),
    "SOPInstanceUID; expected 3": ({"SOPInstanceUID": None}, lambda index, made: None),
    "SOPInstanceUID; expected 3 that have one, got 3": ({"SOPInstanceUID": b""}, lambda index, made: None),
    "SOPInstanceUID; expected 3 that have one, got 3 without": (
        {"SOPInstanceUID": b"SECRET"},
        lambda index, made: None,
    ),
    "SOPInstanceUID; expected 3 that have one, got 1": ({}, of_one("SOPInstanceUID", None)),
    "SOPClassUID": ({"SOPClassUID": b"1.2.SECRET"}, lambda index, made: None),
    "SOPClassUID; expected 3": ({"SOPClassUID": None}, lambda index, made: None),
    "StudyInstanceUID": ({"StudyInstanceUID": None}, lambda index, made: None),
    "StudyInstanceUID; ": ({"StudyInstanceUID": b"1.02.3"}, lambda index, made: None),
    "StudyInstanceUID; expected": ({"StudyInstanceUID": b"SECRET" * 10}, lambda index, made: None),
}


@pytest.mark.parametrize("named", IMPOSSIBLE)
def test_what_makes_a_seg_impossible_is_found_before_any_work(tmp_path: Path, named: str) -> None:
    elements, edit = IMPOSSIBLE[named]
    study = open_study(raw_series(tmp_path / "series", elements, 3, edit))
    with pytest.raises(DicomSegError) as caught:
        seg_sources(study.geometry, study.origin)
    assert named.split(",", maxsplit=1)[0] in str(caught.value)
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.code == "DICOM_SEG"


def test_other_volumes_have_no_seg(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "series", 2))
    with pytest.raises(DicomSegError, match="a DICOM study, got nifti"):
        seg_sources(study.geometry, Origin("nifti"))


def test_a_mask_of_another_study_is_refused(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "series", 2))
    sources = seg_sources(study.geometry, study.origin)
    for mask in (MASK, MASK[:2, 1:], MASK[0]):
        with pytest.raises(InputError, match="does not fit"):
            dicom_seg_from_mask(mask, sources, "d" * 64)


def test_what_a_library_says_about_a_header_is_not_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    study = open_study(write_series(tmp_path / "series", 2))
    sources = seg_sources(study.geometry, study.origin)
    for keyword in ("PatientSex", "StudyDate", "StudyTime"):
        broken = pydicom.Dataset({element.tag: element for element in sources.header})
        with pydicom.config.disable_value_validation():
            broken.add_new(keyword, pydicom.datadict.dictionary_VR(keyword), "SECRET")
            with pytest.raises(DicomSegError) as caught:
                dicom_seg_from_mask(MASK[1:3], replace(sources, header=broken), "d" * 64)
        assert "SECRET" not in "".join(traceback.format_exception(caught.value))
    assert "SECRET" not in caplog.text
    assert capsys.readouterr() == ("", "")


def test_a_large_series_is_read_once_more_for_its_first_header_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = open_study(write_series(tmp_path / "series", DEPTH))
    opened: list[str] = []
    original = Path.open

    def watched(self: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(self.name)
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", watched)
    sources = seg_sources(study.geometry, study.origin)
    dicom_seg_from_mask(MASK, sources, "d" * 64)
    assert [name for name in opened if name.startswith(("8", "9"))] == [study.origin.images[0].file.name]


def test_the_real_series_keep_their_geometry(shared: Path, tmp_path: Path) -> None:
    study = open_study(shared / "data" / "dicom" / "siemens-chest")
    mask = np.zeros((len(study), *study.size), np.uint8)
    mask[10, 200:220, 210:260] = mask[14, 100:130, 300:340] = 1
    seg = seg_of(study, mask, tmp_path / "seg.dcm")
    assert slices_of(seg, study) == list(range(14, 9, -1))
    assert seg.PatientIdentityRemoved == "YES"
    assert len(seg.DeidentificationMethodCodeSequence) == 8
    assert seg_sources(study.geometry, study.origin).remarks == ()


def test_the_real_tilted_series_has_the_distance_between_its_planes(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "thin"
    folder.mkdir()
    for index in range(1, 15):
        name = f"{index:02}.dcm"
        (folder / name).symlink_to(shared / "data" / "dicom" / "gantry-tilt-head" / name)
    study = open_study(folder)
    mask = np.zeros((len(study), *study.size), np.uint8)
    mask[3:6, 200:220, 210:260] = 1
    measures = seg_of(study, mask, tmp_path / "seg.dcm").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SpacingBetweenSlices == pytest.approx(4.0, abs=0.01)


@pytest.mark.parametrize(
    ("case", "remark"),
    [
        ("character-set/japan_ir87", ""),
        ("character-set/misspelt", "SpecificCharacterSet"),
        ("header-values/birthdate", "PatientBirthDate"),
        ("header-values/seriesnumber", "SeriesNumber"),
        ("header-values/sex", "PatientSex"),
        ("no-frame-of-reference", "FrameOfReferenceUID"),
        ("uid-that-is-none", "SeriesInstanceUID"),
    ],
)
def test_the_cases_from_the_field_have_a_seg(shared: Path, tmp_path: Path, case: str, remark: str) -> None:
    study = open_study(shared / "data" / "field-cases" / case)
    seg = seg_of(study, np.ones((len(study), *study.size), np.uint8), tmp_path / "seg.dcm")
    assert (seg.NumberOfFrames, seg.PatientName) == (len(study), "PHANTOM")
    remarks = " ".join(seg_sources(study.geometry, study.origin).remarks)
    assert remark in remarks
    assert bool(remark) == bool(remarks)


def test_the_case_from_the_field_that_has_none_is_refused(shared: Path) -> None:
    study = open_study(shared / "data" / "field-cases" / "one-instance-uid-for-all")
    with pytest.raises(DicomSegError, match="4 of 4 that share one"):
        seg_sources(study.geometry, study.origin)
