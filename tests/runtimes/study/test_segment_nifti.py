"""NIfTI through the command: one lesion however it is stored and called, and nothing written for what is damaged."""

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import miniseg_edge
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.runtimes.study.segment_study import segmented_study
from miniseg_edge.slices.images import write_png
from miniseg_edge.studies import open_study
from miniseg_edge.studies.nifti.mask import nifti_from_mask
from miniseg_edge.studies.nifti.place import UNKNOWN
from tests.studies.nifti.test_place import set_to
from tests.studies.niftis import chest, nifti_bytes, tilted, write_nifti
from tests.studies.test_nifti_orientation import STORAGES, stored_as

LPS = np.diag([-0.7, -0.8, 2.5, 1.0])


def segment(bundle: Path, source: Path, output: Path) -> tuple[int, Any]:
    """Exit code and remarks."""
    code = main([str(bundle), str(source), "--output", str(output)])
    return code, json.loads((output / "findings.json").read_text())["ran"]["remarks"] if code == 0 else None


def mask_in(output: Path) -> Any:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress((output / "mask.nii.gz").read_bytes()))


@pytest.mark.parametrize("affine", [LPS, tilted(16.7) @ np.diag([-1, -1, 1, 1])], ids=["straight", "tilted"])
def test_every_storage_order_has_the_same_lesion(demo_bundle_path: Path, tmp_path: Path, affine: Any) -> None:
    hu = chest(3)
    with miniseg_edge.load(demo_bundle_path) as segmenter:
        expected, findings = None, None
        for axes, flips in STORAGES:
            path = write_nifti(tmp_path / "v.nii", *stored_as(hu, affine, axes, flips))
            found = segmented_study(open_study(path), segmenter, lambda done, of: None)
            made = nifti_from_mask(found.mask, found.study.geometry, found.study.origin)
            image = nibabel.Nifti1Image.from_bytes(made)
            np.testing.assert_allclose(image.affine, nibabel.load(path).affine, atol=1e-4)  # type: ignore[attr-defined]
            mask = np.asanyarray(image.dataobj)
            if expected is None:
                expected, findings = mask, found.findings
                assert expected.any()
                assert stored_as(hu, affine, axes, flips)[0].tobytes() == hu.tobytes(), "the first is the plain one"
            np.testing.assert_array_equal(mask, stored_as(expected, affine, axes, flips)[0])
            assert findings is not None
            assert found.findings.lesion_volume_ml == pytest.approx(findings.lesion_volume_ml, rel=1e-5)
            assert found.findings.lesions == findings.lesions


@pytest.mark.parametrize("name", ["CT.NII.GZ", "CT.NII", "Ct.Nii.Gz", "folder/ct.nii.gz"])
def test_names_make_no_difference(demo_bundle_path: Path, tmp_path: Path, name: str) -> None:
    with miniseg_edge.load(demo_bundle_path) as segmenter:
        plain = open_study(write_nifti(tmp_path / "plain.nii", chest(), LPS))
        expected = segmented_study(plain, segmenter, lambda done, of: None).mask
    path = write_nifti(tmp_path / "in" / name, chest(), LPS)
    if "/" in name:
        (path.parent / "README.txt").write_text("of no consequence")
        path = path.parent
    code, remarks = segment(demo_bundle_path, path, tmp_path / "out")
    assert code == 0
    assert remarks == (["left out: 1 x document"] if "/" in name else [])
    assert expected.any()
    np.testing.assert_array_equal(np.asanyarray(mask_in(tmp_path / "out").dataobj), expected.transpose(2, 1, 0))


def test_what_was_assumed_is_in_the_findings(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_nifti(tmp_path / "v.nii.gz", chest(), None, set_to(pixdim=[1, 0.7, 0.8, 2.5, 1, 1, 1, 1]))
    code, remarks = segment(demo_bundle_path, tmp_path / "v.nii.gz", tmp_path / "out")
    assert (code, remarks) == (0, [UNKNOWN])
    header = mask_in(tmp_path / "out").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)


def test_nan_around_the_body_is_air(demo_bundle_path: Path, tmp_path: Path) -> None:
    """A reconstruction's circle: NaN outside of it gives what air outside of it gives."""
    hu = chest().astype(np.float32)
    x, y = np.ogrid[: hu.shape[0], : hu.shape[1]]
    outside = (x - hu.shape[0] / 2) ** 2 + (y - hu.shape[1] / 2) ** 2 > 30**2
    masks = []
    for name, value in (("air", -1000), ("nan", np.nan)):
        hu[outside] = value
        code, remarks = segment(demo_bundle_path, write_nifti(tmp_path / f"{name}.nii.gz", hu, LPS), tmp_path / name)
        assert (code, remarks) == (0, ["NaN read as air (-1000 HU) (4 slices)"] if name == "nan" else [])
        masks.append(np.asanyarray(mask_in(tmp_path / name).dataobj))
    np.testing.assert_array_equal(*masks)


def test_what_is_damaged_leaves_nothing(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = gzip.compress(nifti_bytes(chest(), LPS), 0, mtime=0)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 8
    infinite = chest().astype(np.float32)
    infinite[5, 5, 3] = np.inf
    for data, code in (
        (bytes(flipped), "UNSUPPORTED_FORMAT"), (whole[:-3], "UNSUPPORTED_FORMAT"),
        (gzip.compress(nifti_bytes(infinite, LPS)), "INPUT"),
        (gzip.compress(nifti_bytes(chest(), LPS, set_to(intent_code=1002))), "WRONG_MODALITY"),
    ):  # fmt: skip
        (tmp_path / "v.nii.gz").write_bytes(data)
        assert main([str(demo_bundle_path), str(tmp_path / "v.nii.gz"), "--output", str(tmp_path / "out")]) == 1
        error = capsys.readouterr().err
        assert code in error
        assert "Traceback" not in error
        assert not (tmp_path / "out").exists()


def test_a_picture_beside_a_nifti_is_left_out(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_nifti(tmp_path / "in" / "CT.NII.GZ", chest(), LPS)
    write_png(tmp_path / "in" / "preview.png", np.zeros((8, 8), np.uint8))
    assert segment(demo_bundle_path, tmp_path / "in", tmp_path / "out") == (0, ["left out: 1 x picture"])


@pytest.mark.parametrize("option", [["--series", "1"], ["--part"], ["--list"]])
def test_what_is_for_dicom_alone_is_refused(demo_bundle_path: Path, tmp_path: Path, option: list[str]) -> None:
    path = write_nifti(tmp_path / "ct.nii", chest(), LPS)
    assert main([str(demo_bundle_path), str(path), "--output", str(tmp_path / "out"), *option]) == 2
    assert not (tmp_path / "out").exists()
