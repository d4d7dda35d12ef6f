"""`miniseg-verify --explain` and `--record`: from any result back to the training, for people who must sign for it."""

import json
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import Bundle, file_records, open_bundle, write_bundle
from miniseg_edge.bundle.golden import golden_logits, npy_from_logits
from miniseg_edge.bundle.manifest import Quantization, sealed
from miniseg_edge.bundle.records import object_from_json, record_from_object
from miniseg_edge.bundle.signature import signer_from_key
from miniseg_edge.errors import BundleError
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segment_command import main as segment
from miniseg_edge.runtimes.verification.command import main as verify
from miniseg_edge.runtimes.verification.page import page_from_verification
from miniseg_edge.runtimes.verification.record import Verification
from miniseg_edge.slices.images import write_png
from tests.bundles import TRAINING, small_bundle
from tests.keys import make_keys
from tests.studies.series import write_series

HOSTILE = "<script>alert('lesion')</script>"


@pytest.fixture(scope="module")
def results(demo_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One result of each kind."""
    folder = tmp_path_factory.mktemp("results")
    study = write_series(folder / "series", 3)
    formats = [word for name in ("dicom-seg", "nifti", "png", "json") for word in ("--format", name)]
    assert segment([str(demo_bundle_path), str(study), "--output", str(folder / "study"), *formats]) == 0
    write_png(folder / "slices" / "one.png", phantom(1, size=(64, 64)).image)
    assert segment([str(demo_bundle_path), str(folder / "slices"), "--output", str(folder / "masks")]) == 0
    return sorted([*(folder / "study").iterdir(), *(folder / "masks").iterdir()])


def test_every_result_leads_back(
    results: list[Path], demo_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = open_bundle(demo_bundle_path).manifest
    assert {path.name for path in results} >= {
        "mask.dcm",
        "mask.nii.gz",
        "findings.json",
        "one.png",
        "contact_sheet.png",
    }
    for path in results:
        assert verify([str(demo_bundle_path), "--explain", str(path)]) == 0
        shown = capsys.readouterr().out
        assert f"result {path.name}" in shown
        assert "native fp32" in shown
        assert manifest.files["native/model.miniseg"].sha256 in shown
        assert manifest.files["onnx/model.onnx"].sha256 not in shown, "another artefact drew nothing of this"
        for fact in (manifest.digest, manifest.checkpoint.sha256, "none: nothing was fitted", "not recorded"):
            assert fact in shown


def test_a_result_of_another_bundle_is_refused(
    results: list[Path], bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in results:
        assert verify([str(bundle_path), "--explain", str(path)]) == 1
        assert "made by another bundle" in capsys.readouterr().err
    assert verify([str(bundle_path), "--explain", str(bundle_path / "manifest.json")]) == 1
    assert "UNSUPPORTED_FORMAT" in capsys.readouterr().err


def test_the_chain_goes_through_calibration_and_training(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = bundle.manifest
    fitted = Quantization("parity.json", ("group",), ("c" * 64, "d" * 64))
    artifacts = tuple(
        replace(a, precision="int8", quantization=fitted) if a.target == "onnx" else a for a in manifest.artifacts
    )
    checkpoint = replace(manifest.checkpoint, training=TRAINING)
    changed = sealed(replace(manifest, artifacts=artifacts, checkpoint=checkpoint))
    write_bundle(replace(bundle, manifest=changed), tmp_path / "lung")
    assert verify([str(tmp_path / "lung"), "--explain"]) == 0
    shown = capsys.readouterr().out
    for fact in (
        "2 slices, SHA-256 " + "c" * 64,
        "recipe.epochs",
        "training.sha256",
        "a" * 64,
        "selection.mean_iou",
        "0.75",
        "labels",
        "none",
    ):
        assert fact in shown


def test_the_signature_is_a_link_of_the_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = make_keys(tmp_path)
    write_bundle(small_bundle(), tmp_path / "signed", signer=signer_from_key(keys.private))
    write_bundle(small_bundle(), tmp_path / "unsigned")
    signed = [str(tmp_path / "signed"), "--explain"]
    assert verify([*signed, "--trust", str(keys.public)]) == 0
    assert "holds, by the owner of bundle.pub" in capsys.readouterr().out
    assert verify(signed) == 0
    assert "there, but not checked" in capsys.readouterr().out
    assert verify([str(tmp_path / "unsigned"), "--explain"]) == 0
    assert "signature      none" in capsys.readouterr().out


def record_in(folder: Path) -> Verification:
    found = object_from_json((folder / "verification.json").read_bytes(), "record")
    return record_from_object(Verification, found, "record")


def test_a_verification_is_filed_for_programs_and_for_people(bundle_path: Path, tmp_path: Path) -> None:
    assert verify([str(bundle_path), "--record", str(tmp_path / "file")]) == 0
    record = record_in(tmp_path / "file")
    assert record.passed
    assert record.bundle_digest == open_bundle(bundle_path).manifest.digest
    assert {p.runtime for p in record.golden} >= {"native", "openvino", "onnxruntime", "torch"}
    assert {p.target for p in record.export.targets} >= {"openvino", "onnx"}
    assert [link.title.split(" ")[0] for link in record.chain] == [
        *("bundle", "artefact", "artefact", "artefact", "parity", "calibration", "checkpoint", "training"),
    ]
    page = (tmp_path / "file" / "verification.html").read_text(encoding="utf-8")
    assert page == page_from_verification(record)
    assert "PASSED" in page
    for parity in (*record.golden, *record.export.targets):
        for one in parity.slices:
            assert f"<td>{one.name}</td>" in page
            assert f"{one.dice:.4f}" in page


def test_a_record_is_not_replaced_unasked(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "verification.html").write_text("an older one")
    assert verify([str(bundle_path), "--record", str(tmp_path)]) == 1
    assert "OUTPUT_EXISTS" in capsys.readouterr().err
    assert (tmp_path / "verification.html").read_text() == "an older one"
    assert verify([str(bundle_path), "--record", str(tmp_path), "--overwrite"]) == 0
    assert "PASSED" in (tmp_path / "verification.html").read_text()
    assert verify([str(bundle_path), "--record", str(tmp_path), "--explain"]) == 2


def test_a_failure_is_filed_too(bundle: Bundle, tmp_path: Path) -> None:
    golden = bundle.manifest.golden[0]
    contents = {**bundle.contents, golden.logit: npy_from_logits(-golden_logits(bundle, golden, (64, 64)))}
    forged = replace(bundle, contents=contents, manifest=sealed(replace(bundle.manifest, files=file_records(contents))))
    write_bundle(forged, tmp_path / "forged")
    assert verify([str(tmp_path / "forged"), "--record", str(tmp_path / "file")]) == 3
    assert not record_in(tmp_path / "file").passed
    page = (tmp_path / "file" / "verification.html").read_text()
    assert "FAILED: this machine does not reproduce" in page
    assert "PASSED" not in page


def test_a_bundle_whose_report_is_none_cannot_be_filed(bundle: Bundle) -> None:
    from miniseg_edge.runtimes.verification.record import verification_of

    broken = replace(bundle, contents={**bundle.contents, "parity.json": b"{}"})
    with pytest.raises(BundleError):
        verification_of(broken, (), (), ())


class Tags(HTMLParser):
    """The elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_nothing_that_a_bundle_says_becomes_markup(bundle_path: Path, tmp_path: Path) -> None:
    assert verify([str(bundle_path), "--record", str(tmp_path)]) == 0
    whole = json.loads((tmp_path / "verification.json").read_text())

    def poisoned(value: object) -> object:
        if isinstance(value, dict):
            return {key: poisoned(item) for key, item in value.items()}
        if isinstance(value, list):
            return [poisoned(item) for item in value]
        return HOSTILE if isinstance(value, str) else value

    record = record_from_object(Verification, {**poisoned(whole), "schema_version": 1}, "record")  # type: ignore[dict-item]
    clean, hostile = Tags(page_from_verification(record_in(tmp_path))), Tags(page_from_verification(record))
    assert hostile.found == clean.found
    assert hostile.attributes == clean.attributes
    assert "script" not in clean.found
    assert not {"src", "href", "onload"} & clean.attributes, "nothing is loaded from elsewhere"


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH (Debian: apt-get install chromium)")
def test_a_browser_prints_it(bundle_path: Path, tmp_path: Path) -> None:
    assert verify([str(bundle_path), "--record", str(tmp_path)]) == 0
    assert CHROMIUM is not None
    page, pdf = tmp_path / "verification.html", tmp_path / "verification.pdf"
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={pdf}"]
    subprocess.run([CHROMIUM, *words, page.as_uri()], check=True, capture_output=True, timeout=120)
    assert pdf.read_bytes().startswith(b"%PDF")
