"""Findings as a structured report, read by others' programs."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest

from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies import open_study
from miniseg_edge.studies.findings import Ran, findings_from_mask
from miniseg_edge.studies.reports.dicom_sr import dicom_sr_from_findings
from miniseg_edge.studies.reports.words import RESEARCH_ONLY
from miniseg_edge.studies.seg.dicom_seg import SegFrames, dicom_seg_from_mask, seg_sources
from miniseg_edge.studies.study import Study
from tests.studies.raw_headers import dciodvfy_errors
from tests.studies.seg.test_dicom_seg import MASK
from tests.studies.series import STUDY_UID, write_enhanced, write_series

DIGEST = "d" * 64
RAN = Ran("openvino", "cpu", "bf16", DIGEST, "e" * 64, ())


def written(study: Study, mask: ByteArray, folder: Path, frames: SegFrames = "range") -> tuple[Path, Any]:
    """A report, in which the verifier finds no error, and its SEG."""
    sources = seg_sources(study.geometry, study.origin)
    seg = dicom_seg_from_mask(mask, sources, DIGEST, frames=frames)
    (folder / "seg.dcm").write_bytes(seg)
    findings = findings_from_mask(mask, study.geometry, RAN)
    (folder / "report.dcm").write_bytes(dicom_sr_from_findings(findings, mask, sources, seg))
    assert dciodvfy_errors(folder / "report.dcm") == []
    return folder / "report.dcm", pydicom.dcmread(folder / "seg.dcm")


@pytest.mark.parametrize("enhanced", [False, True])
def test_it_says_what_was_measured_and_on_what(enhanced: bool, tmp_path: Path) -> None:
    study = open_study(write_enhanced(tmp_path / "ct.dcm", 6) if enhanced else write_series(tmp_path / "ct", 6))
    path, seg = written(study, MASK, tmp_path)
    report: Any = highdicom.sr.srread(path)
    (group,) = report.content.get_volumetric_roi_measurement_groups()
    measured = {one.name.meaning: (one.value, one.unit.value) for one in group.get_measurements()}
    assert measured == {
        "Volume": (pytest.approx(int(MASK.sum()) * 0.8 * 0.7 * 2.5 / 1000, rel=1e-5), "ml"),
        "Number of lesions": (2, "1"),
    }
    (segment, *images) = [one for one in group[0].ContentSequence if one.ValueType == "IMAGE"]
    (reference,) = segment.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
    frames = np.atleast_1d(reference.ReferencedFrameNumber)
    pixels = seg.pixel_array.reshape(-1, *MASK.shape[1:])
    assert sorted(pixels[number - 1].sum() for number in frames) == sorted([MASK[1].sum(), MASK[3].sum()])
    drawn_on = {
        (
            one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID,
            one.ReferencedSOPSequence[0].get("ReferencedFrameNumber"),
        )
        for one in images
    }
    sources = [study.origin.images[index] for index in (1, 3)]
    assert drawn_on == {(one.sop_instance_uid, one.frame + 1 if enhanced else None) for one in sources}


def test_a_mask_without_lesion_is_a_report_too(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "ct", 6))
    path, _ = written(study, np.zeros_like(MASK), tmp_path)
    report: Any = highdicom.sr.srread(path)
    (group,) = report.content.get_volumetric_roi_measurement_groups()
    assert [one.value for one in group.get_measurements()] == [0, 0]
    assert "no lesion found" in comment_of(path)


def comment_of(path: Path) -> str:
    return str(pydicom.dcmread(path).ContentSequence[-1].TextValue)


def test_it_says_what_drew_it_and_that_it_is_for_research_only(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "ct", 6))
    path, _ = written(study, MASK, tmp_path)
    report = pydicom.dcmread(path)
    assert comment_of(path).startswith(f"{RESEARCH_ONLY}.")
    assert "research only" in report.SeriesDescription
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert (report.StudyInstanceUID, report.PatientID) == (STUDY_UID, "SECRET-ID")
    assert (report.DeviceSerialNumber, report.SoftwareVersions[-1]) == (DIGEST, "openvino bf16 cpu")
    said = {element.value for element in report.iterall() if element.keyword == "TextValue"}
    assert {f"bundle digest {DIGEST}", "runtime openvino", "precision bf16", "device cpu", RESEARCH_ONLY} <= said
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert len(evidence) == 2, "the CT series and the SEG's"


def test_segmenting_again_gives_the_same_uids(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "ct", 6))
    made = []
    for mask in (MASK, MASK, MASK[::-1]):
        path, seg = written(study, mask, tmp_path)
        report = pydicom.dcmread(path)
        made.append((report.SeriesInstanceUID, report.SOPInstanceUID))
        assert seg.SeriesInstanceUID != report.SeriesInstanceUID
    assert made[0] == made[1]
    assert made[0][0] == made[2][0]
    assert made[0][1] != made[2][1]


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="needs dsrdump of Debian's package dcmtk")
@pytest.mark.parametrize("frames", ["lesion", "range", "all"])
def test_dcmtk_reads_it(frames: SegFrames, tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "ct", 6))
    path, _ = written(study, MASK, tmp_path, frames)
    done = subprocess.run(["dsrdump", "+Pl", str(path)], capture_output=True, text=True, check=True)
    assert f'contains TEXT:(,,"Comment")="{RESEARCH_ONLY}.' in done.stdout
    assert 'contains NUM:(,,"Number of lesions")="2"' in done.stdout
    assert [line for line in done.stderr.splitlines() if not line.endswith("Specific Character Set: ISO_IR 192")] == []
