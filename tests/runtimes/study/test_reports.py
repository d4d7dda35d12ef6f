"""Results that people look at, through the command."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.archive.run import segment_archive
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.runtimes.study.formats import FORMATS, JSON, chosen, with_brought
from miniseg_edge.studies import open_study
from miniseg_edge.studies.provenance import provenance_of
from tests.studies.raw_headers import dciodvfy_errors
from tests.studies.series import write_series


def test_rows_name_no_file_twice_and_findings_come_last() -> None:
    files = [name for row in FORMATS.values() for name in row.files(3)]
    assert len(set(files)) == len(files)
    assert list(FORMATS)[-1] == JSON, "which holds the others' remarks"
    assert [row.name for row in chosen(tuple(FORMATS)[::-1])] == list(FORMATS)


def test_a_report_brings_the_seg_that_it_refers_to(demo_bundle_path: Path, tmp_path: Path) -> None:
    assert with_brought(("dicom-sr", "json", "json")) == ("dicom-sr", "dicom-seg", "json")
    series = write_series(tmp_path / "ct", 6)
    words = [str(demo_bundle_path), str(series), "--output", str(tmp_path / "out"), "--format", "dicom-sr"]
    assert main(words) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mask.dcm", "report.dcm"]
    seg, report = (pydicom.dcmread(tmp_path / "out" / name) for name in ("mask.dcm", "report.dcm"))
    named = {element.value for element in report.iterall() if element.keyword == "ReferencedSOPInstanceUID"}
    assert seg.SOPInstanceUID in named
    assert provenance_of(tmp_path / "out" / "report.dcm") == provenance_of(tmp_path / "out" / "mask.dcm")
    assert main([*words, "--overwrite"]) == 0
    assert pydicom.dcmread(tmp_path / "out" / "report.dcm").SOPInstanceUID == report.SOPInstanceUID


@pytest.mark.parametrize("frames", ["range", "lesion", "all"])
def test_captures_are_of_the_segs_slices(frames: str, demo_bundle_path: Path, tmp_path: Path) -> None:
    series, out = write_series(tmp_path / "ct", 6), tmp_path / "out"
    (out / "captures").mkdir(parents=True)
    (out / "captures" / "notes.txt").write_text("mine")
    words = [str(demo_bundle_path), str(series), "--output", str(out), "--format", "dicom-sc", "--format", "dicom-seg"]
    assert main([*words, "--seg-frames", "all"]) == 0
    assert main([*words, "--seg-frames", frames]) == 1, "they are there"
    assert main([*words, "--seg-frames", frames, "--overwrite"]) == 0
    seg = pydicom.dcmread(out / "mask.dcm")
    made = [pydicom.dcmread(path) for path in sorted((out / "captures").glob("*.dcm"))]
    assert all(dciodvfy_errors(path) == [] for path in (out / "captures").glob("*.dcm"))
    images = {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for group in seg.PerFrameFunctionalGroupsSequence
    }
    assert {one.SourceImageSequence[0].ReferencedSOPInstanceUID for one in made} == images
    assert len(made) == len(images)
    order = [image.sop_instance_uid for image in open_study(series).origin.images]
    shown = [order.index(one.SourceImageSequence[0].ReferencedSOPInstanceUID) for one in made]
    assert shown == [one.InstanceNumber - 1 for one in made] == sorted(shown)
    assert (out / "captures" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["dicom-sr", "dicom-sc"])
def test_what_no_seg_can_be_made_of_has_no_dicom_results(name: str, demo_bundle_path: Path, tmp_path: Path) -> None:
    series = write_series(tmp_path / "ct", 4)
    for path in series.iterdir():
        one = pydicom.dcmread(path)
        del one.StudyInstanceUID
        one.save_as(path)
    words = [str(demo_bundle_path), str(series), "--output", str(tmp_path / "out"), "--format", name]
    assert main(words) == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (old := tmp_path / "out" / FORMATS[name].files(4)[0]).parent.mkdir(exist_ok=True)
    old.write_bytes(b"of another mask")
    assert main([*words, "--format", "json", "--overwrite"]) == 1
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["findings.json"]
    assert "DICOM_SEG" in (tmp_path / "out" / "findings.json").read_text()


def test_an_archive_has_them_too(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "ct", 4)
    report = segment_archive(
        demo_bundle_path, tmp_path / "in", tmp_path / "out", executor="in-process", formats=("dicom-sr", "dicom-sc")
    )
    assert (report.done, report.failed) == (1, 0)
    (folder,) = (tmp_path / "out" / "series").iterdir()
    assert {path.name for path in folder.iterdir()} == {"report.dcm", "mask.dcm", "captures", "row.json"}
    with pytest.raises(UsageError, match="dicom-sc"):
        segment_archive(
            demo_bundle_path, tmp_path / "in", tmp_path / "no", executor="in-process", formats=("dicom-pr",)
        )


def test_nifti_has_no_dicom_results(demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import nibabel

    voxels = np.full((32, 32, 4), -700, np.int16)
    nibabel.Nifti1Image(voxels, np.eye(4)).to_filename(tmp_path / "ct.nii")
    words = [str(demo_bundle_path), str(tmp_path / "ct.nii"), "--output", str(tmp_path / "out"), "--format", "dicom-sc"]
    assert main(words) == 2
    assert "refers to DICOM images" in capsys.readouterr().err


def test_a_page_beside_another_result(demo_bundle_path: Path, tmp_path: Path) -> None:
    series, out = write_series(tmp_path / "ct", 6), tmp_path / "out"
    start = [str(demo_bundle_path), str(series), "--output"]
    assert main([*start, str(out), "--format", "html", "--format", "nifti", "--format", "dicom-seg"]) == 0
    text = (out / "report.html").read_text(encoding="utf-8")
    assert "SECRET-ID" not in text
    assert "Secret" not in text
    assert "Dice" not in text.split("<script", maxsplit=1)[0]
    for name in ("mask.nii.gz", "mask.dcm"):
        words = ["--format", "html", "--compare", str(out / name), "--name-patient", "--overwrite"]
        assert main([*start, str(tmp_path / "again"), *words]) == 0
        text = (tmp_path / "again" / "report.html").read_text(encoding="utf-8")
        assert "<dt>Dice</dt><dd>1.0000</dd>" in text
        assert "<b>Secret Name</b>" in text


def test_what_a_page_cannot_show_is_said_before_any_work(demo_bundle_path: Path, tmp_path: Path) -> None:
    series = write_series(tmp_path / "ct", 4)
    other = write_series(tmp_path / "other", 4)
    start = [str(demo_bundle_path), str(series), "--output", str(tmp_path / "out")]
    assert main([*start, "--compare", str(other)]) == 2, "no page"
    assert main([*start, "--format", "html", "--compare", str(tmp_path / "none.nii.gz")]) == 1
    assert main([*start, "--format", "html", "--compare", str(next(other.iterdir()))]) == 1, "a CT image, no mask"
    assert not (tmp_path / "out").exists()
