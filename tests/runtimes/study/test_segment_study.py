"""A study through the command and back: what viewers and archives read is the mask that the API gives."""

import gzip
import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

import miniseg_edge
from miniseg_edge.architecture import Architecture
from miniseg_edge.errors import DicomSegError, InputError
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.runtimes.study.outputs import outputs_of, write_results
from miniseg_edge.runtimes.study.segment_study import segmented_study
from miniseg_edge.runtimes.study.unfinished import Done
from miniseg_edge.slices.images import slice_from_file, write_png
from miniseg_edge.slices.preprocessing import ByteArray, Window
from miniseg_edge.studies import open_study
from miniseg_edge.studies.findings import Ran, findings_from_mask
from miniseg_edge.studies.pictures import MAX_TILES, shown_indices
from miniseg_edge.studies.seg.dicom_seg import dicom_seg_from_mask, seg_sources
from miniseg_edge.studies.turning import Turn
from miniseg_edge.training.checkpoint import save_checkpoint
from tests.conftest import STATISTICS, random_network
from tests.ct_values import phantom_hu
from tests.studies.raw_headers import raw_series
from tests.studies.series import stored_slice, write_enhanced, write_series
from tests.studies.test_turning import stored_by

ALL = [word for name in ("dicom-seg", "nifti", "png", "json") for word in ("--format", name)]
RAN = Ran("openvino", "cpu", "fp32", "d" * 64, "e" * 64, ())


@pytest.fixture(scope="module")
def results(demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("study")
    study = write_series(folder / "series", 6)
    assert main([str(demo_bundle_path), str(study), "--output", str(folder / "out"), *ALL]) == 0
    return study, folder / "out"


@pytest.fixture(scope="module")
def expected(results: tuple[Path, Path], demo_bundle_path: Path) -> ByteArray:
    volume = open_study(results[0]).volume()
    with miniseg_edge.load(demo_bundle_path) as segmenter:
        masks = np.stack([segmenter.segment_hu(slice_).mask for slice_ in volume.voxels_hu])
    assert len({mask.tobytes() for mask in masks}) == len(masks), "slices that were mixed up would not be seen"
    return masks


def test_nifti_is_the_mask(results: tuple[Path, Path], expected: ByteArray) -> None:
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress((results[1] / "mask.nii.gz").read_bytes()))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), expected.transpose(2, 1, 0))


def test_dicom_seg_is_the_mask_and_refers_to_its_images(results: tuple[Path, Path], expected: ByteArray) -> None:
    seg = pydicom.dcmread(results[1] / "mask.dcm")
    assert (seg.Modality, seg.SegmentationType) == ("SEG", "BINARY")
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == codes.SCT.Lesion.value
    origin = open_study(results[0]).origin
    by_uid = {image.sop_instance_uid: index for index, image in enumerate(origin.images)}
    found = np.zeros_like(expected)
    frames = seg.pixel_array.reshape(-1, *expected.shape[1:])
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        found[by_uid[source]] = frame
    np.testing.assert_array_equal(found, expected)


def test_each_frame_of_a_dicom_seg_lies_where_its_image_lies(results: tuple[Path, Path]) -> None:
    seg = pydicom.dcmread(results[1] / "mask.dcm")
    sources = {one.SOPInstanceUID: one for path in results[0].iterdir() if (one := pydicom.dcmread(path))}
    shared = seg.SharedFunctionalGroupsSequence[0]
    any_source = next(iter(sources.values()))
    assert (seg.PatientID, seg.PatientName) == (any_source.PatientID, any_source.PatientName)
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == any_source.ImageOrientationPatient
    assert shared.PixelMeasuresSequence[0].PixelSpacing == any_source.PixelSpacing
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == any_source.SeriesInstanceUID
    assert {one.ReferencedSOPInstanceUID for one in series.ReferencedInstanceSequence} == set(sources)
    for group in seg.PerFrameFunctionalGroupsSequence:
        refers = group.DerivationImageSequence[0].SourceImageSequence[0]
        source = sources[refers.ReferencedSOPInstanceUID]
        assert refers.ReferencedSOPClassUID == source.SOPClassUID
        assert group.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient


def test_a_first_file_that_changed_gives_no_dicom_seg(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path, 3))
    (path,) = (path for path in tmp_path.iterdir() if path.name == study.origin.images[0].file.name)
    other = pydicom.dcmread(path)
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    other.save_as(path)
    with pytest.raises(InputError, match="changed while it was read"):
        seg_sources(study.geometry, study.origin)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy of Debian's package dicom3tools")
def test_dciodvfy_finds_no_error(results: tuple[Path, Path]) -> None:
    done = subprocess.run(["dciodvfy", str(results[1] / "mask.dcm")], capture_output=True, text=True, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []


def test_findings_are_those_of_the_mask(results: tuple[Path, Path], expected: ByteArray) -> None:
    found = json.loads((results[1] / "findings.json").read_text())
    study = open_study(results[0])
    assert found["lesion_volume_ml"] == pytest.approx(expected.sum() * 0.8 * 0.7 * 2.5 / 1000)
    assert [s["index"] for s in found["slices_with_findings"]] == [i for i, mask in enumerate(expected) if mask.any()]
    assert found["ran"]["input_sha256"] == study.volume().sha256
    assert found["finding"] == bool(expected.any())
    assert found["slices"] == 6
    assert (found["ran"]["runtime"], found["ran"]["precision"]) == ("native", "fp32")


def test_pictures_of_every_slice_and_one_sheet(results: tuple[Path, Path]) -> None:
    names = sorted(path.name for path in results[1].glob("*.png"))
    assert names == ["contact_sheet.png", *(f"slice-{i:04d}_overlay.png" for i in range(6))]


def test_nothing_but_the_dicom_object_names_the_patient(results: tuple[Path, Path]) -> None:
    for path in results[1].iterdir():
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        assert (b"Secret" in data or b"SECRET" in data) == (path.name == "mask.dcm"), path.name


def test_results_that_are_there_stay(results: tuple[Path, Path], demo_bundle_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in results[1].iterdir()}
    assert main([str(demo_bundle_path), str(results[0]), "--output", str(results[1]), *ALL]) == 1
    assert {path.name: path.read_bytes() for path in results[1].iterdir()} == before


def test_an_enhanced_object_and_a_nifti_are_studies_too(bundle_path: Path, tmp_path: Path) -> None:
    enhanced = write_enhanced(tmp_path / "enhanced.dcm")
    assert main([str(bundle_path), str(enhanced), "--output", str(tmp_path / "a"), *ALL]) == 0
    assert pydicom.dcmread(tmp_path / "a" / "mask.dcm").Modality == "SEG"
    nibabel.save(nibabel.Nifti1Image(phantom_hu(3, (48, 40)).T, np.eye(4)), tmp_path / "v.nii.gz")
    assert main([str(bundle_path), str(tmp_path / "v.nii.gz"), "--output", str(tmp_path / "b")]) == 0
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["findings.json", "mask.nii.gz"]
    words = [str(bundle_path), str(tmp_path / "v.nii.gz"), "--output", str(tmp_path / "c"), "--format", "dicom-seg"]
    assert main(words) == 2
    assert not (tmp_path / "c").exists()


@pytest.fixture(scope="module")
def bundle_between(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2.5-D: takes a slice between its neighbours."""
    folder = tmp_path_factory.mktemp("between")
    network = random_network(Architecture((4, 4, 8, 4), (1, 0, 1, 0), (0, 0, 1, 0)), 39)
    save_checkpoint(network, STATISTICS, folder / "network.pth")
    request = ExportRequest(
        folder / "network.pth", folder / "bundle", ("openvino",), ("fp32",), size=(32, 40),
        window=Window(-1250, 250), separate_channels=True,
    )  # fmt: skip
    export_bundle(request)
    return folder / "bundle"


@pytest.mark.slow
def test_a_bundle_with_three_channels_sees_each_slice_between_its_neighbours(
    bundle_between: Path, tmp_path: Path
) -> None:
    study = write_series(tmp_path / "series", 5)
    assert main([str(bundle_between), str(study), "--output", str(tmp_path / "out"), "--format", "nifti"]) == 0
    slices = open_study(study).volume().voxels_hu
    around = np.concatenate([slices[:1], slices, slices[-1:]])
    with miniseg_edge.load(bundle_between) as segmenter:
        masks = [
            segmenter.segment_hu(np.stack([around[i], around[i + 1], around[i + 2]], axis=-1)).mask for i in range(5)
        ]
        assert any(mask.any() for mask in masks)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress((tmp_path / "out" / "mask.nii.gz").read_bytes()))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), np.stack(masks).transpose(2, 1, 0))


@pytest.mark.slow
def test_a_study_that_goes_on_draws_the_slice_again_that_saw_another_neighbour(
    bundle_between: Path, tmp_path: Path
) -> None:
    write_series(tmp_path / "before", 5)
    fourth = pydicom.dcmread(shutil.copytree(tmp_path / "before", tmp_path / "after") / "897")
    fourth.PixelData = stored_slice(10).tobytes()
    fourth.save_as(tmp_path / "after" / "897")
    before, after = open_study(tmp_path / "before"), open_study(tmp_path / "after")
    told: list[int] = []
    with miniseg_edge.load(bundle_between) as segmenter:
        first, whole = (segmented_study(study, segmenter, lambda done, of: None) for study in (before, after))
        assert (first.mask[2] != whole.mask[2]).any(), "the third slice sees the fourth"
        done = Done(first.mask[:3], tuple(before.read(index).sha256 for index in range(3)))
        resumed = segmented_study(after, segmenter, lambda done, of: told.append(done), done)
    np.testing.assert_array_equal(resumed.mask, whole.mask)
    assert resumed.findings == whole.findings
    assert sorted(told) == told


def test_a_picture_beside_a_series_is_not_taken_for_it(bundle_path: Path, tmp_path: Path) -> None:
    study = write_series(tmp_path / "series", 2)
    write_png(study / "preview.png", np.zeros((8, 8), np.uint8))
    assert main([str(bundle_path), str(study), "--output", str(tmp_path / "out")]) == 0
    ran = json.loads((tmp_path / "out" / "findings.json").read_text())["ran"]
    assert "left out: 1 x picture" in ran["remarks"]


@pytest.mark.parametrize("turn", [Turn(False, True, True), Turn(True, False, True)])
def test_pictures_show_the_slices_as_they_are_stored(demo_bundle_path: Path, tmp_path: Path, turn: Turn) -> None:
    for name, how in (("upright", Turn()), ("turned", turn)):
        study = write_series(tmp_path / name, 3, stored_by(how))
        assert main([str(demo_bundle_path), str(study), "--output", str(tmp_path / f"{name}-out"), *ALL[4:]]) == 0
    for index in range(3):
        lesions = []
        for name in ("upright", "turned"):
            picture = slice_from_file(tmp_path / f"{name}-out" / f"slice-{index:04d}_overlay.png", 3)
            lesions.append(picture[..., 0] > picture[..., 2])
        assert lesions[0].any()
        np.testing.assert_array_equal(turn.stored(lesions[0]), lesions[1])
    findings = [json.loads((tmp_path / f"{name}-out" / "findings.json").read_text()) for name in ("upright", "turned")]
    assert findings[0]["lesion_volume_ml"] == pytest.approx(findings[1]["lesion_volume_ml"])


def test_a_seg_has_the_slices_that_were_asked_for(
    results: tuple[Path, Path], demo_bundle_path: Path, tmp_path: Path
) -> None:
    lesion = [i for i, mask in enumerate(nifti_mask(results[1] / "mask.nii.gz")) if mask.any()]
    counts = {"lesion": len(lesion), "range": lesion[-1] - lesion[0] + 1, "all": 6}
    words = [str(demo_bundle_path), str(results[0]), "--format", "dicom-seg"]
    for frames, count in counts.items():
        assert main([*words, "--output", str(tmp_path / frames), "--seg-frames", frames]) == 0
        assert pydicom.dcmread(tmp_path / frames / "mask.dcm").NumberOfFrames == count
    assert pydicom.dcmread(results[1] / "mask.dcm").NumberOfFrames == counts["range"]


def test_slices_of_a_seg_without_a_seg_make_no_sense(
    results: tuple[Path, Path], demo_bundle_path: Path, tmp_path: Path
) -> None:
    words = [str(demo_bundle_path), str(results[0]), "--output", str(tmp_path / "out"), "--seg-frames", "all"]
    assert main(words) == 2
    assert main([*words, "--format", "nifti"]) == 2
    assert main([*words, "--distributed", "in-process"]) == 2
    assert not (tmp_path / "out").exists()


class TestWithoutSeg:
    """A series that no DICOM SEG can refer to."""

    @pytest.fixture
    def series(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return raw_series(tmp_path_factory.mktemp("series"), {"StudyInstanceUID": b"SECRET-IN-A-UID"}, 3)

    def test_the_other_formats_are_written_and_nobody_misses_it(
        self, series: Path, demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([str(demo_bundle_path), str(series), "--output", str(tmp_path / "out"), *ALL]) == 1
        names = {path.name for path in (tmp_path / "out").iterdir()}
        assert names == {
            "mask.nii.gz",
            "contact_sheet.png",
            "findings.json",
            *(f"slice-000{i}_overlay.png" for i in range(3)),
        }
        said = capsys.readouterr()
        lines = said.err.splitlines()
        assert "DICOM_SEG" in lines[0]
        assert lines[-1].startswith("DICOM_SEG: ")
        assert "StudyInstanceUID" in lines[-1]
        assert "nifti, png, json in" in said.out
        findings = (tmp_path / "out" / "findings.json").read_text()
        assert any("DICOM_SEG" in remark for remark in json.loads(findings)["ran"]["remarks"])
        assert "SECRET" not in findings + said.out + said.err

    def test_alone_it_is_refused_before_any_work(
        self, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["no-bundle", str(series), "--output", str(tmp_path / "out"), "--format", "dicom-seg"]
        assert main(words) == 1
        assert not (tmp_path / "out").exists()
        assert capsys.readouterr().err.splitlines()[-1].startswith("DICOM_SEG: ")

    def test_none_of_another_mask_stays_beside_the_results(
        self, series: Path, demo_bundle_path: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "mask.dcm").write_bytes(b"of another mask")
        words = [str(demo_bundle_path), str(series), "--output", str(tmp_path), "--overwrite"]
        assert main([*words, "--format", "dicom-seg", "--format", "json"]) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["findings.json"]

    def test_what_only_writing_shows_is_an_error_at_the_end(self, demo_bundle_path: Path, tmp_path: Path) -> None:
        study = open_study(write_series(tmp_path / "series", 3))
        outputs = outputs_of(study, ("dicom-seg", "nifti", "json"))
        assert outputs.seg is not None
        broken = replace(outputs.seg.plane, thickness_mm=float("nan"))
        outputs = replace(outputs, seg=replace(outputs.seg, plane=broken))
        with miniseg_edge.load(demo_bundle_path) as segmenter:
            found = segmented_study(study, segmenter, lambda done, of: None)
            with pytest.raises(DicomSegError):
                write_results(found, segmenter, tmp_path / "out", outputs)
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"mask.nii.gz", "findings.json"}
        assert "DICOM_SEG" in (tmp_path / "out" / "findings.json").read_text()


def test_what_a_seg_could_not_copy_is_in_the_findings_and_on_the_terminal(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elements = {"PatientBirthDate": b"1961-02-03", "PatientID": b"SECRET" * 11}
    series = raw_series(tmp_path / "series", elements, 3)
    assert main([str(demo_bundle_path), str(series), "--output", str(tmp_path / "out"), *ALL]) == 0
    remarks = json.loads((tmp_path / "out" / "findings.json").read_text())["ran"]["remarks"]
    expected = ["DICOM SEG: corrected PatientBirthDate", "DICOM SEG: could not copy, or not completely, PatientID"]
    assert remarks[-2:] == expected
    said = capsys.readouterr().err
    assert all(remark in said for remark in expected)
    assert "SECRET" not in said
    assert main([str(demo_bundle_path), str(series), "--output", str(tmp_path / "json"), "--format", "json"]) == 0
    assert "DICOM SEG" not in (tmp_path / "json" / "findings.json").read_text()


def nifti_mask(path: Path) -> ByteArray:
    """As (D, H, W)."""
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes()))
    return np.asarray(image.dataobj, np.uint8).transpose(2, 1, 0)


def test_a_single_overlay_that_is_there_stays(bundle_path: Path, tmp_path: Path) -> None:
    study = write_series(tmp_path / "series", 3)
    write_png(tmp_path / "out" / "slice-0002_overlay.png", np.zeros((8, 8), np.uint8))
    assert main([str(bundle_path), str(study), "--output", str(tmp_path / "out"), "--format", "png"]) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["slice-0002_overlay.png"]


def test_a_broken_study_leaves_nothing(bundle_path: Path, tmp_path: Path) -> None:
    study = write_series(tmp_path / "series", 3)
    broken = study / "899"
    broken.write_bytes(broken.read_bytes()[:-100])
    assert main([str(bundle_path), str(study), "--output", str(tmp_path / "out"), *ALL]) == 1
    assert not (tmp_path / "out").exists()


def test_no_finding_is_a_result(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path, 3))
    empty = np.zeros((3, *study.size), np.uint8)
    found = findings_from_mask(empty, study.geometry, RAN)
    assert (found.finding, found.lesions, found.lesion_volume_ml, found.slices_with_findings) == (False, 0, 0.0, ())
    sources = seg_sources(study.geometry, study.origin)
    seg = pydicom.dcmread(io.BytesIO(dicom_seg_from_mask(empty, sources, "d" * 64)))
    assert seg.NumberOfFrames == 3
    assert not seg.pixel_array.any()


def test_lesions_are_counted_in_three_dimensions(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path, 3))
    mask = np.zeros((3, *study.size), np.uint8)
    mask[0:2, 5:9, 5:9] = 1  # one lesion through two slices
    mask[2, 20:22, 20:22] = 1
    found = findings_from_mask(mask, study.geometry, RAN)
    assert found.lesions == 2
    assert [round(s.area_mm2, 6) for s in found.slices_with_findings] == [16 * 0.56, 16 * 0.56, 4 * 0.56]


def test_a_sheet_of_many_slices_shows_those_with_most_lesion() -> None:
    pixels = [0] * 300
    pixels[123] = 7
    shown = shown_indices(pixels)
    assert 123 in shown
    assert {0, 299} <= set(shown)
    assert len(shown) <= MAX_TILES


@pytest.mark.slow
def test_a_real_series_is_segmented(shared: Path, bundle_path: Path, tmp_path: Path) -> None:
    study = shared / "data" / "dicom" / "siemens-chest"
    assert main([str(bundle_path), str(study), "--output", str(tmp_path / "out"), *ALL]) == 0
    if shutil.which("dciodvfy"):
        done = subprocess.run(["dciodvfy", str(tmp_path / "out/mask.dcm")], capture_output=True, text=True, check=False)
        assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []
