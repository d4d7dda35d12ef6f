"""UIDs that are the same for the same result, and another for any other."""

import re
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from miniseg_edge.studies import open_study
from miniseg_edge.studies.dicom.values import is_uid
from miniseg_edge.studies.seg.derived_uids import derived_uid, result_uids
from tests.studies.seg.test_dicom_seg import MASK, seg_of
from tests.studies.series import write_enhanced, write_series


def test_a_uid_is_a_uuid_of_version_8() -> None:
    found = derived_uid("a", b"b")
    assert is_uid(found)
    as_uuid = uuid.UUID(int=int(found.removeprefix("2.25.")))
    assert (as_uuid.version, as_uuid.variant) == (8, uuid.RFC_4122)
    assert found == "2.25.55802794976078397802428975147893124188"


def test_parts_do_not_run_into_each_other() -> None:
    made = [derived_uid(*parts) for parts in ((), ("",), ("ab",), ("a", "b"), ("", "ab"), ("ab", ""), ("b", "a"))]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("enhanced", [False, True])
def test_images_their_order_bundle_and_kind_tell_series_apart(enhanced: bool, tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "one.dcm") if enhanced else write_series(tmp_path / "series")
    images = open_study(path).origin.images
    made = [
        result_uids(images, "d" * 64, "dicom-seg"), result_uids(images[1:], "d" * 64, "dicom-seg"),
        result_uids(images[::-1], "d" * 64, "dicom-seg"), result_uids(images, "e" * 64, "dicom-seg"),
        result_uids(images, "d" * 64, "dicom-sr"),
    ]  # fmt: skip
    assert len({one.series for one in made}) == len(made)
    moved = [replace(image, position_mm=(0.0, 0.0, 0.0)) for image in images]
    assert result_uids(moved, "d" * 64, "dicom-seg") == made[0]


def test_segmenting_again_gives_the_same_uids(tmp_path: Path) -> None:
    series = write_series(tmp_path / "series", 6)
    first = seg_of(open_study(series), MASK, tmp_path / "first.dcm")
    for path in series.iterdir():  # a copy as another archive would give it out
        path.rename(path.with_name(f"IM{path.name}"))
    again = seg_of(open_study(series), MASK * np.uint8(3), tmp_path / "again.dcm")
    assert again.SOPInstanceUID == first.SOPInstanceUID == again.file_meta.MediaStorageSOPInstanceUID
    assert again.SeriesInstanceUID == first.SeriesInstanceUID
    assert re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", str(first.SOPInstanceUID))
    assert first.SeriesInstanceUID not in {str(pydicom.dcmread(path).SeriesInstanceUID) for path in series.iterdir()}


def test_another_mask_and_other_frames_are_another_instance_of_the_series(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "series", 6))
    other = MASK.copy()
    other[3, 30, 5] = 0
    made = [seg_of(study, MASK, tmp_path / "a.dcm"), seg_of(study, other, tmp_path / "b.dcm")]
    made += [seg_of(study, MASK, tmp_path / "c.dcm", frames=frames) for frames in ("lesion", "all")]
    made.append(seg_of(study, np.roll(MASK, 1, axis=0), tmp_path / "d.dcm"))  # the same frames of other slices
    assert len({one.SOPInstanceUID for one in made}) == len(made)
    assert len({one.SeriesInstanceUID for one in made}) == 1
