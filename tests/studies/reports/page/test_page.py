"""What the page says, what it keeps to itself, and what it carries."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from miniseg_edge.errors import UsageError
from miniseg_edge.slices.preprocessing import ByteArray
from miniseg_edge.studies import open_study
from miniseg_edge.studies.findings import Ran, findings_from_mask
from miniseg_edge.studies.reports.page.compared import Overlap, overlap_of
from miniseg_edge.studies.reports.page.page import Other, html_from_study
from miniseg_edge.studies.reports.page.patient import patient_of
from miniseg_edge.studies.reports.page.pixels import (
    KNOTS,
    MAX_JPEG_BYTES,
    jpeg_of_slice,
    runs_of_mask,
    shown_size,
)
from miniseg_edge.studies.reports.words import RESEARCH_ONLY
from miniseg_edge.studies.study import Study
from miniseg_edge.studies.volume import Origin
from tests.studies.seg.test_dicom_seg import MASK
from tests.studies.series import put, write_series

HOSTILE = '</script><script>alert(1)</script><img src="https://example.org/x" onerror=alert(1)>&\x1b\u202e'
RAN = Ran("native", "cpu", "fp32", "d" * 64, "e" * 64, (HOSTILE, "padding read as air (2 slices)"))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return open_study(write_series(tmp_path / "ct", 6))


def page_of(study: Study, mask: ByteArray = MASK, **options: Any) -> str:
    return html_from_study(study, mask, findings_from_mask(mask, study.geometry, RAN), **options)


class Parsed(HTMLParser):
    """Tags with their attributes, text, and what stands in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def data_of(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_says_what_was_found_and_what_drew_it(study: Study) -> None:
    text = "".join(Parsed(page_of(study)).words)
    for said in (RESEARCH_ONLY, "d" * 64, "e" * 64, "native", "fp32", "lesion found", "2 of 6", "padding read as air"):
        assert said in text, said
    assert f"{int(MASK.sum()) * 0.8 * 0.7 * 2.5 / 1000:.2f} ml" in text


def test_what_comes_from_headers_is_text(study: Study) -> None:
    other = Other(HOSTILE, lambda index: MASK[index])
    page = Parsed(page_of(study, patient=((HOSTILE, HOSTILE),), other=other))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "img" not in [tag for tag, _ in page.tags]
    assert "".join(page.words).count("alert(1)") == 2 * 8, (
        "as text: the patient's, the remark, and the other's name five times"
    )
    assert "\x1b" not in page_of(study, other=other)


def test_needs_no_network_and_runs_nothing_but_its_own(study: Study) -> None:
    page = Parsed(page_of(study, other=Other("other", lambda index: MASK[index])))
    (policy,) = [attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    for tag, attributes in page.tags:
        assert not {"src", "href", "style", "onclick", "onload"} & set(attributes), tag


def test_the_patient_is_named_only_where_somebody_asks(tmp_path: Path) -> None:
    study = open_study(write_series(tmp_path / "ct", 6, put(StudyDate="20260102")))
    assert "ecret" not in page_of(study).replace("SECRET", "Secret")
    assert patient_of(study.origin) == (("Patient", "Secret Name"), ("ID", "SECRET-ID"), ("study", "20260102"))
    text = "".join(Parsed(page_of(study, patient=patient_of(study.origin))).words)
    assert "Secret Name" in text
    with pytest.raises(UsageError, match="name the patient"):
        patient_of(Origin("array"))


def pixels_of(base64_jpeg: str) -> npt.NDArray[np.generic]:
    found = cv2.imdecode(np.frombuffer(base64.b64decode(base64_jpeg), np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found


def mask_of(runs: list[int], size: tuple[int, int]) -> ByteArray:
    flat = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
    return (flat if runs else np.zeros(size[0] * size[1], np.uint8)).reshape(size)


def test_carries_the_slices_and_the_mask(study: Study) -> None:
    data = data_of(page_of(study))
    hu, grey = zip(*KNOTS, strict=True)
    for index, (image, runs) in enumerate(zip(data["images"], data["ours"], strict=True)):
        slice_hu = study.read(index).voxels_hu
        shown = pixels_of(image).astype(float)
        assert np.abs(shown - np.interp(slice_hu, hu, grey)).mean() < 4
        np.testing.assert_array_equal(mask_of(runs, study.size), MASK[index])
    assert data["other"] is None
    assert data["areas"] == pytest.approx([int(one.sum()) * 0.56 for one in MASK])
    assert data["spacing"] == [2.5, 0.8, 0.7]


def test_a_second_result_stands_beside_ours(study: Study) -> None:
    theirs = MASK.copy()
    theirs[3, 30:33, 5:30] = 0
    theirs[4, 1, 1] = 7
    text = page_of(study, other=Other("expert.nii.gz", lambda index: theirs[index]))
    data = data_of(text)
    for index, runs in enumerate(data["other"]):
        np.testing.assert_array_equal(mask_of(runs, study.size), theirs[index] > 0)
    assert data["dice"] == [1.0, 1.0, 1.0, pytest.approx(2 * 30 / (105 + 30), abs=1e-4), 0.0, 1.0]
    words = "".join(Parsed(text).words)
    assert f"{2 * 210 / (285 + 211):.4f}" in words
    assert "expert.nii.gz" in words


@pytest.mark.parametrize(
    "mask",
    [np.zeros((3, 4)), np.ones((3, 4)), np.eye(3, 4), 1 - np.eye(3, 4)],
    ids=["none", "all", "first", "not first"],
)
def test_runs_are_the_mask(mask: npt.NDArray[np.float64]) -> None:
    runs = runs_of_mask(mask.astype(np.uint8), shown_size((3, 4)))
    np.testing.assert_array_equal(mask_of(runs, (3, 4)), mask)


def test_a_large_slice_is_shown_smaller_and_no_lesion_vanishes() -> None:
    shown = shown_size((1025, 700))
    assert (shown.times, shown.size) == (2, (513, 350))
    mask = np.zeros((1025, 700), np.uint8)
    mask[1024, 0] = mask[1, 699] = 1
    found = mask_of(runs_of_mask(mask, shown), shown.size)
    assert np.argwhere(found).tolist() == [[0, 349], [512, 0]]
    assert pixels_of(jpeg_of_slice(np.zeros((1025, 700), np.float32), shown)).shape == (513, 350)


def test_noise_fits_in_300_slices_of_25_megabytes() -> None:
    noise = np.random.default_rng(0).normal(-600, 150, (512, 512)).astype(np.float32)
    assert len(base64.b64decode(jpeg_of_slice(noise, shown_size((512, 512))))) <= MAX_JPEG_BYTES
    assert MAX_JPEG_BYTES * 4 / 3 * 300 < 25e6 * 0.9


def test_overlaps_add_up() -> None:
    one, two = overlap_of(MASK[1], MASK[3]), overlap_of(MASK[3], MASK[3])
    assert one + two == Overlap(105, 180, 105)
    assert (one.dice, two.dice, Overlap(0, 0, 0).dice) == (0.0, 1.0, 1.0)


def test_is_the_same_each_time(study: Study) -> None:
    assert page_of(study) == page_of(study)
