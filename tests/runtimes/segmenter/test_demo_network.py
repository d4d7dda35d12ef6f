"""The demo network's results say whose they are."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import open_bundle
from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.host.files import sha256_of
from miniseg_edge.runtimes.archive import segment_archive
from miniseg_edge.runtimes.archive.table import rows_in
from miniseg_edge.runtimes.segment_command import main as segment
from miniseg_edge.runtimes.segmenter.demo_network import DEMO_REMARK, DEMO_SHA256, DEMO_WARNING, is_demo
from miniseg_edge.slices.preprocessing import Window
from miniseg_edge.training.demo import CHECKPOINT
from tests.conftest import SIZE, made_once
from tests.runtimes.node.process import running as running_node
from tests.runtimes.serving.process import running as running_service
from tests.studies.niftis import chest, write_nifti
from tests.studies.series import write_series


@pytest.fixture(scope="module")
def of_demo_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the shipped checkpoint."""
    request = ExportRequest(CHECKPOINT, Path(), ("native",), size=SIZE, window=Window(-1250.0, 250.0))
    return made_once(tmp_path_factory, "of-demo", lambda path: export_bundle(replace(request, output=path)))


def test_it_is_known_by_the_hash_of_its_file() -> None:
    assert sha256_of(CHECKPOINT.read_bytes()) == DEMO_SHA256


def test_no_other_network_is_taken_for_it(of_demo_path: Path, demo_bundle_path: Path) -> None:
    assert is_demo(open_bundle(of_demo_path))
    assert not is_demo(open_bundle(demo_bundle_path))


def a_series(folder: Path) -> Path:
    return write_series(folder / "series", 3)


def a_volume(folder: Path) -> Path:
    return write_nifti(folder / "study.nii.gz", chest())


@pytest.mark.parametrize("written", [a_series, a_volume])
def test_findings_of_a_study_start_with_it(
    of_demo_path: Path, tmp_path: Path, written: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    study = written(tmp_path)
    words = [str(of_demo_path), str(study), "--output", str(tmp_path / "out"), "--format", "json", "--format", "html"]
    assert segment(words) == 0
    findings = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert findings["ran"]["remarks"][0] == DEMO_REMARK
    assert f"warning: {DEMO_REMARK}" in capsys.readouterr().err
    assert DEMO_REMARK in next((tmp_path / "out").glob("*.html")).read_text()


def test_a_row_of_an_archive_has_it(of_demo_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "archive" / "series", 3)
    segment_archive(of_demo_path, tmp_path / "archive", tmp_path / "out", executor="in-process")
    (row,) = rows_in(tmp_path / "out")
    assert DEMO_REMARK in (row.remarks or "")


def test_a_node_says_so_when_it_starts(of_demo_path: Path, tmp_path: Path) -> None:
    with running_node(of_demo_path, tmp_path, "--send", "PACS@127.0.0.1:9") as node:
        assert f"warning: {DEMO_WARNING}" in node.said()


def test_a_service_says_so_when_it_starts(of_demo_path: Path, tmp_path: Path) -> None:
    with running_service(of_demo_path, tmp_path) as service:
        _, _, error = service.stopped()
    assert f"warning: {DEMO_WARNING}" in error
