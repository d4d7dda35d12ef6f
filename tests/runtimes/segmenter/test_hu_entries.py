"""Every way in refuses values that are not HU; where one slice cannot tell, or somebody insists, the result says so."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import miniseg_edge
from miniseg_edge import Segmentation
from miniseg_edge.errors import HuValuesError, InputError, UsageError
from miniseg_edge.runtimes.archive import segment_archive
from miniseg_edge.runtimes.archive.table import rows_in
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.study.segment_study import EARLY, segmented_study
from miniseg_edge.slices.images import write_png
from miniseg_edge.studies import open_study
from miniseg_edge.studies.study import Study
from tests.ct_values import NOT_HU, NOT_HU_AS_A_VOLUME, Volume, grey, padded, phantom_hu, stored
from tests.runtimes.archive.archives import of_series
from tests.studies.series import Edit, both, put, stored_slice, write_series

WAIT_S = 60.0

Entry = Callable[..., Segmentation]
SLICE_ENTRIES: dict[str, Callable[[Segmenter], Entry]] = {
    "segment_hu": lambda segmenter: segmenter.segment_hu,
    "segment_many_hu": lambda segmenter: lambda slice_, **told: next(segmenter.segment_many_hu([slice_], **told)),
    "stream_hu": lambda segmenter: lambda slice_, **told: next(segmenter.stream_hu([slice_], **told)),
    "segment_read_hu": lambda s: lambda slice_, **told: next(s.segment_read_hu(lambda index: slice_, [0], **told)),
    "submit_hu": lambda segmenter: lambda slice_, **told: segmenter.submit_hu(slice_, **told).result(WAIT_S),
}

every_slice_entry = pytest.mark.parametrize("entry", SLICE_ENTRIES)


@pytest.fixture(scope="module")
def segmenter(demo_bundle_path: Path) -> Iterator[Segmenter]:
    with miniseg_edge.load(demo_bundle_path, "openvino", threads=1, streams=1) as opened:
        yield opened


class TestApi:
    """Slices and volumes in memory."""

    @pytest.mark.parametrize("name", NOT_HU)
    @every_slice_entry
    def test_a_slice_is_refused(self, segmenter: Segmenter, entry: str, name: str) -> None:
        change, looks_like = NOT_HU[name]
        with pytest.raises(HuValuesError) as caught:
            SLICE_ENTRIES[entry](segmenter)(change(phantom_hu(1))[0])
        assert looks_like in caught.value.got

    @pytest.mark.parametrize("name", [*NOT_HU, *NOT_HU_AS_A_VOLUME])
    def test_a_volume_is_refused_before_any_slice_is_drawn(self, segmenter: Segmenter, name: str) -> None:
        change, looks_like = (NOT_HU | NOT_HU_AS_A_VOLUME)[name]
        told: list[int] = []
        with pytest.raises(HuValuesError) as caught:
            segmenter.segment_volume_hu(change(phantom_hu(3)), lambda done, of: told.append(done))
        assert looks_like in caught.value.got
        assert told == []

    @every_slice_entry
    def test_hu_give_the_same_mask_without_a_remark(self, segmenter: Segmenter, entry: str) -> None:
        slice_ = phantom_hu(1)[0]
        result = SLICE_ENTRIES[entry](segmenter)(slice_)
        assert result.warnings == ()
        np.testing.assert_array_equal(result.mask, segmenter.segment_volume_hu(slice_[None]).mask[0])

    @every_slice_entry
    def test_whoever_insists_gets_a_mask_and_a_remark(self, segmenter: Segmenter, entry: str) -> None:
        windowed = np.rint(grey(phantom_hu(1)[0]) * 255).astype(np.int16)
        result = SLICE_ENTRIES[entry](segmenter)(windowed, assume_hu=True)
        assert result.mask.shape == windowed.shape
        assert result.warnings[0].startswith(
            "taken as HU on the caller's word, although the values look like this: 0..255"
        )

    def test_a_volume_on_the_callers_word_says_so(self, segmenter: Segmenter) -> None:
        result = segmenter.segment_volume_hu(stored(phantom_hu(2)), assume_hu=True)
        assert result.warnings[0].endswith("HU + 1024: the intercept -1024 is missing")

    @every_slice_entry
    @pytest.mark.parametrize("dtype", [np.uint8, np.int8])
    def test_8_bits_are_refused(self, segmenter: Segmenter, entry: str, dtype: type) -> None:
        slice_ = (np.clip(phantom_hu(1)[0], -1000, 1000) // 8).astype(dtype)
        for told in ({}, {"assume_hu": True}):
            with pytest.raises(InputError, match=r"segment\(\).*--rescale") as caught:
                SLICE_ENTRIES[entry](segmenter)(slice_, **told)
            assert caught.value.code == "INPUT"

    def test_a_volume_of_8_bits_is_refused(self, segmenter: Segmenter) -> None:
        with pytest.raises(InputError, match=r"8 bits cannot hold HU.*segment\(\)"):
            segmenter.segment_volume_hu(np.zeros((2, 64, 64), np.uint8))

    @every_slice_entry
    def test_a_crop_without_air_is_segmented_with_a_remark(self, segmenter: Segmenter, entry: str) -> None:
        crop = np.rint(np.random.default_rng(0).normal(50, 20, (64, 64))).astype(np.int16)
        result = SLICE_ENTRIES[entry](segmenter)(crop)
        assert result.warnings[0].startswith("the values may not be HU: soft tissue without air")

    @every_slice_entry
    def test_a_slice_of_air_alone_is_segmented_with_a_remark(self, segmenter: Segmenter, entry: str) -> None:
        result = SLICE_ENTRIES[entry](segmenter)(np.full((64, 64), -1024, np.int16))
        assert result.warnings[0] == "the values may not be HU: air or padding alone, -1024"

    def test_slices_of_air_in_a_volume_are_named_and_nothing_else(self, segmenter: Segmenter) -> None:
        volume = phantom_hu(4)
        volume[0] = -1024
        result = segmenter.segment_volume_hu(volume)
        assert result.warnings == ("slice 0: constant slice: the window sees one value",)

    def test_slices_that_are_judged_elsewhere_are_not_judged(self, segmenter: Segmenter) -> None:
        volume = np.zeros((2, 64, 64), np.int16)
        results = segmenter.segment_read_hu(volume.__getitem__, range(2), judged=True)
        assert [result.warnings for result in results] == [("constant slice: the window sees one value",)] * 2

    def test_a_volume_without_lungs_is_remarked_on(self, segmenter: Segmenter) -> None:
        volume = phantom_hu(3)
        volume[(volume > -950) & (volume < -300)] = 30
        assert any("no lung-like air" in warning for warning in segmenter.segment_volume_hu(volume).warnings)

    def test_the_next_call_works(self, segmenter: Segmenter) -> None:
        with pytest.raises(HuValuesError):
            segmenter.segment_hu(np.zeros((64, 64), np.int16))
        assert segmenter.segment_hu(phantom_hu(1)[0]).warnings == ()


def windowed_pixels(index: int, made: Any) -> None:
    made.PixelData = (stored_slice(index) // 8).tobytes()


def one_value(index: int, made: Any) -> None:
    made.PixelData = np.full_like(stored_slice(index), 1024).tobytes()


def a_mask(index: int, made: Any) -> None:
    made.PixelData = (stored_slice(index) > 500).astype(np.int16).tobytes()


def padded_pixels(index: int, made: Any) -> None:
    made.PixelData = padded(stored_slice(index)[None], -2000)[0].tobytes()


NO_INTERCEPT = put(RescaleIntercept=0)
DICOM_NOT_HU: dict[str, tuple[Edit, str]] = {
    "windowed": (both(windowed_pixels, NO_INTERCEPT), "0..255: windowed grey values"),
    "windowed, black is padding": (
        both(windowed_pixels, NO_INTERCEPT, put(PixelPaddingValue=3)), "0..255: windowed grey values",
    ),
    "an intercept forgotten": (NO_INTERCEPT, "HU + 1024"),
    "an intercept forgotten, padding tagged": (
        both(padded_pixels, NO_INTERCEPT, put(PixelPaddingValue=-2000)), "is missing",
    ),
    "an intercept forgotten, padding not tagged": (both(padded_pixels, NO_INTERCEPT), "is missing"),
    "a slope of ten": (put(RescaleSlope=10), "scaled or shifted"),
    "one value": (one_value, "one value, 0"),
    "a mask": (both(a_mask, NO_INTERCEPT), "two values, 0 and 1"),
}  # fmt: skip
every_dicom = pytest.mark.parametrize("name", DICOM_NOT_HU)


def write_nifti(path: Path, volume: Volume) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(volume.T), np.diag([-0.7, -0.8, 2.5, 1.0])), path)
    return path


def findings_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "findings.json").read_text())
    return found


class TestCommand:
    """`miniseg-segment` on files."""

    @every_dicom
    def test_a_dicom_series_is_refused(
        self, demo_bundle_path: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        edit, looks_like = DICOM_NOT_HU[name]
        study = write_series(tmp_path / "series", 4, edit)
        assert main([str(demo_bundle_path), str(study), "--output", str(tmp_path / "out")]) == 1
        error = " ".join(capsys.readouterr().err.split())
        assert "NOT_HU" in error
        assert looks_like in error
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("name", [*NOT_HU, *NOT_HU_AS_A_VOLUME])
    def test_a_nifti_is_refused(self, segmenter: Segmenter, tmp_path: Path, name: str) -> None:
        change, looks_like = (NOT_HU | NOT_HU_AS_A_VOLUME)[name]
        study = open_study(write_nifti(tmp_path / "ct.nii", change(phantom_hu(3))))
        with pytest.raises(HuValuesError) as caught:
            segmented_study(study, segmenter, lambda done, of: None)
        assert looks_like.replace("0..65535", "") in caught.value.got

    def test_a_nifti_is_refused_by_the_command(
        self, demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        nifti = write_nifti(tmp_path / "ct.nii.gz", np.rint(grey(phantom_hu(3)) * 255).astype(np.uint8))
        for more in ([], ["--format", "png"]):
            assert main([str(demo_bundle_path), str(nifti), "--output", str(tmp_path / "out"), *more]) == 1
            assert "0..255: windowed grey values" in " ".join(capsys.readouterr().err.split())
            assert not (tmp_path / "out").exists()

    def test_whoever_insists_finds_it_in_the_findings(self, demo_bundle_path: Path, tmp_path: Path) -> None:
        nifti = write_nifti(tmp_path / "ct.nii.gz", np.rint(grey(phantom_hu(3)) * 255).astype(np.uint8))
        assert main([str(demo_bundle_path), str(nifti), "--output", str(tmp_path / "out"), "--assume-hu"]) == 0
        remarks = findings_in(tmp_path / "out")["ran"]["remarks"]
        assert any(remark.startswith("taken as HU on the caller's word") and "0..255" in remark for remark in remarks)

    @pytest.mark.parametrize("form", ["dicom", "nifti"])
    def test_a_rescale_goes_on(self, demo_bundle_path: Path, tmp_path: Path, form: str) -> None:
        """What the message advises gives the mask of the same series in HU."""
        if form == "dicom":
            right = write_series(tmp_path / "right")
            wrong = write_series(tmp_path / "wrong", edit=NO_INTERCEPT)
        else:
            volume = np.maximum(phantom_hu(3), -1024)
            right = write_nifti(tmp_path / "right.nii", volume)
            wrong = write_nifti(tmp_path / "wrong.nii", volume + 1024)
        told = ["--rescale", "1", "-1024"]
        for source, more in ((right, []), (wrong, told)):
            assert (
                main([str(demo_bundle_path), str(source), "--output", str(tmp_path / "out" / source.stem), *more]) == 0
            )
        names = ("right", "wrong")
        masks = [gzip.decompress((tmp_path / "out" / name / "mask.nii.gz").read_bytes())[-9000:] for name in names]
        found = findings_in(tmp_path / "out" / "wrong")
        assert masks[0] == masks[1]
        assert any(masks[0])
        assert found["lesion_volume_ml"] == findings_in(tmp_path / "out" / "right")["lesion_volume_ml"]
        assert "HU = 1 x stored -1024, as told" in found["ran"]["remarks"]

    def test_a_rescale_of_nothing_is_refused(self, tmp_path: Path) -> None:
        study = write_series(tmp_path / "series")
        for slope, intercept in ((0.0, 1.0), (float("nan"), 0.0), (1.0, float("inf"))):
            with pytest.raises(UsageError, match="the rescale is invalid"):
                open_study(study, rescale=(slope, intercept))

    def test_pictures_are_not_insisted_on(self, demo_bundle_path: Path, tmp_path: Path) -> None:
        write_png(tmp_path / "one.png", np.zeros((64, 64), np.uint8))
        words = [str(demo_bundle_path), str(tmp_path / "one.png"), "--output", str(tmp_path / "out"), "--assume-hu"]
        assert main(words) == 2

    def test_a_head_is_remarked_on(self, demo_bundle_path: Path, tmp_path: Path) -> None:
        volume = phantom_hu(3)
        volume[(volume > -950) & (volume < -300)] = 30
        nifti = write_nifti(tmp_path / "head.nii", volume)
        assert main([str(demo_bundle_path), str(nifti), "--output", str(tmp_path / "out")]) == 0
        assert any("no lung-like air" in remark for remark in findings_in(tmp_path / "out")["ran"]["remarks"])

    def test_a_chest_is_not(self, demo_bundle_path: Path, tmp_path: Path) -> None:
        nifti = write_nifti(tmp_path / "chest.nii", phantom_hu(3))
        assert main([str(demo_bundle_path), str(nifti), "--output", str(tmp_path / "out")]) == 0
        assert findings_in(tmp_path / "out")["ran"]["remarks"] == []


class TestStudies:
    """What `miniseg-segment` and archives do with each study."""

    def test_a_long_study_of_nonsense_ends_soon(self, segmenter: Segmenter, tmp_path: Path) -> None:
        volume = np.tile(np.rint(grey(phantom_hu(4)) * 255).astype(np.int16), (20, 1, 1))
        told: list[int] = []
        with pytest.raises(HuValuesError):
            segmented_study(self._study(tmp_path, volume), segmenter, lambda done, of: told.append(done))
        assert told == list(range(1, EARLY))

    def test_a_study_that_begins_outside_the_body_is_segmented(self, segmenter: Segmenter, tmp_path: Path) -> None:
        volume = np.concatenate([np.full((EARLY + 4, 64, 64), -1024, np.int16), phantom_hu(4)])
        found = segmented_study(self._study(tmp_path, volume), segmenter, lambda done, of: None)
        assert found.findings.slices == EARLY + 8
        assert not [remark for remark in found.findings.ran.remarks if "HU" in remark]

    def test_few_wrong_slices_do_not_condemn_a_study(self, segmenter: Segmenter, tmp_path: Path) -> None:
        """A slice that is not HU is seen by `segment_hu`; in a volume it is the volume that counts."""
        volume = phantom_hu(12)
        volume[5] = 0
        found = segmented_study(self._study(tmp_path, volume), segmenter, lambda done, of: None)
        assert found.findings.slices == 12

    @pytest.mark.parametrize("name", ["windowed", "without intercept"])
    def test_slices_that_are_not_hu_by_themselves_are_named(
        self, segmenter: Segmenter, tmp_path: Path, name: str
    ) -> None:
        volume = phantom_hu(12)
        volume[[5, 11]] = np.rint(grey(volume[[5, 11]]) * 255) if name == "windowed" else volume[[5, 11]] + 1024
        found = segmented_study(self._study(tmp_path, volume), segmenter, lambda done, of: None)
        warnings = segmenter.segment_volume_hu(volume).warnings
        for remarks in (found.findings.ran.remarks, warnings):
            (remark,) = (remark for remark in remarks if "single slices" in remark)
            assert remark.endswith("do not look like HU, so that lesions in them may be missed: slice 5, 11")

    def test_the_field_case_is_refused(self, segmenter: Segmenter, shared: Path) -> None:
        cases = shared / "data" / "field-cases" / "not-hu"
        with pytest.raises(HuValuesError, match=r"0\.\.255: windowed grey values"):
            segmented_study(open_study(cases / "windowed_0_255.nii.gz"), segmenter, lambda done, of: None)
        found = segmented_study(open_study(cases / "reference_hu.nii.gz"), segmenter, lambda done, of: None)
        assert found.findings.ran.remarks == ()

    @staticmethod
    def _study(folder: Path, volume: Volume) -> Study:
        return open_study(write_nifti(folder / "ct.nii", volume))


class TestArchive:
    """An archive gets a row with the code."""

    def test_rows_say_what_is_not_hu(self, demo_bundle_path: Path, tmp_path: Path) -> None:
        archive = tmp_path / "archive"
        write_series(archive / "good", 3, of_series(1))
        write_series(archive / "shifted", 3, of_series(2, NO_INTERCEPT))
        write_series(archive / "masks", 3, of_series(3, both(a_mask, NO_INTERCEPT)))
        write_nifti(archive / "windowed.nii.gz", np.rint(grey(phantom_hu(3)) * 255).astype(np.int16))
        report = segment_archive(demo_bundle_path, archive, tmp_path / "out", executor="in-process")
        rows = {row.source: row for row in rows_in(tmp_path / "out")}
        assert (report.done, report.failed, dict(report.errors)) == (1, 3, {"NOT_HU": 3})
        assert (rows["good"].status, rows["good"].error_code, rows["good"].remarks) == ("done", None, "")
        assert (rows["shifted"].error_code, rows["shifted"].remarks) == ("NOT_HU", None)
        assert "intercept" in (rows["shifted"].error or "")
        assert "two values" in (rows["masks"].error or "")
        assert "0..255: windowed grey values" in (rows["windowed.nii.gz"].error or "")
        for source in ("shifted", "masks", "windowed.nii.gz"):
            files = [path.name for path in (tmp_path / "out" / "series" / rows[source].key).iterdir()]
            assert files == ["row.json"]

    def test_rows_say_that_somebody_insisted(self, demo_bundle_path: Path, tmp_path: Path) -> None:
        archive = tmp_path / "archive"
        write_series(archive / "shifted", 3, of_series(2, NO_INTERCEPT))
        words = [str(demo_bundle_path), str(archive), "--output", str(tmp_path / "out"), "--distributed", "in-process"]
        assert main([*words, "--assume-hu"]) == 0
        (row,) = rows_in(tmp_path / "out")
        assert row.status == "done"
        assert "taken as HU on the caller's word" in (row.remarks or "")
        assert main(words) == 1, "another way to read is another run"

    def test_a_rescale_is_for_series_that_lack_one(self, demo_bundle_path: Path, tmp_path: Path) -> None:
        def without(index: int, made: Any) -> None:
            del made.RescaleSlope, made.RescaleIntercept

        archive = tmp_path / "archive"
        write_series(archive / "whole", 3, of_series(1))
        write_series(archive / "lacking", 3, of_series(1, both(without, put(SeriesInstanceUID="1.2.3"))))
        told = {"executor": "in-process", "rescale": (1.0, -1024.0)}
        assert segment_archive(demo_bundle_path, archive, tmp_path / "out", **told).done == 2  # type: ignore[arg-type]
        volumes = {row.lesion_volume_ml for row in rows_in(tmp_path / "out")}
        assert len(volumes) == 1
