"""A series goes in by DICOM and its segmentation comes back: real scanners (dcmtk, pynetdicom), a real archive."""

import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from miniseg_edge.runtimes.segment_command import main as segment
from tests.ports import free_port
from tests.runtimes.node.orthanc import Orthanc, has_orthanc, orthanc_in
from tests.runtimes.node.process import running, sent
from tests.studies.series import write_enhanced, write_series

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_orthanc(), reason="needs Orthanc of Debian's package orthanc"),
    pytest.mark.skipif(shutil.which("storescu") is None, reason="needs storescu of Debian's package dcmtk"),
]


@pytest.fixture
def port() -> str:
    """Of the node, which the archive must know to confirm what it keeps."""
    return str(free_port())


@pytest.fixture
def orthanc(tmp_path: Path, port: str) -> Iterator[Orthanc]:
    with orthanc_in(tmp_path / "orthanc", int(port)) as found:
        yield found


def frames_of(data: bytes) -> tuple[str, npt.NDArray[np.uint8]]:
    """A SEG's instance UID and its pixels."""
    seg = pydicom.dcmread(io.BytesIO(data))
    return str(seg.SOPInstanceUID), seg.pixel_array


def expected(bundle: Path, study: Path, output: Path) -> tuple[str, npt.NDArray[np.uint8]]:
    """The same by `miniseg-segment`."""
    assert segment([str(bundle), str(study), "--output", str(output), "--format", "dicom-seg"]) == 0
    return frames_of((output / "mask.dcm").read_bytes())


def same(one: tuple[str, npt.NDArray[np.uint8]], other: tuple[str, npt.NDArray[np.uint8]]) -> bool:
    return one[0] == other[0] and np.array_equal(one[1], other[1])


def test_a_series_comes_back_segmented(orthanc: Orthanc, port: str, demo_bundle_path: Path, tmp_path: Path) -> None:
    series = write_series(tmp_path / "series", 6)
    with running(demo_bundle_path, tmp_path / "node", "--send", orthanc.node, "--port", port) as node:
        echo = ["echoscu", "-aec", "MINISEG", "127.0.0.1", str(node.port)]
        assert subprocess.run(echo, capture_output=True, timeout=60, check=False).returncode == 0
        words = ["storescu", "-aec", "MINISEG", "+sd", "127.0.0.1", str(node.port), str(series)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        node.wait_for(1)
        (file,) = orthanc.files(Modality="SEG")
        assert same(frames_of(file), expected(demo_bundle_path, series, tmp_path / "out"))
        said = node.said()
        assert node.stop() == 0
    assert "does not confirm" not in said  # Orthanc came back to say that it keeps it
    assert "received 6, taken 6, slices 6" in said
    assert not any(secret in said for secret in ("SECRET-ID", "Secret^Name"))


def test_an_enhanced_ct_comes_back_segmented(
    orthanc: Orthanc, port: str, demo_bundle_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "enhanced").mkdir()
    path = write_enhanced(tmp_path / "enhanced" / "one.dcm")
    with running(demo_bundle_path, tmp_path / "node", "--send", orthanc.node, "--port", port) as node:
        assert sent(node.port, [path]) == [0]
        node.wait_for(1)
        (file,) = orthanc.files(Modality="SEG")
        assert same(frames_of(file), expected(demo_bundle_path, tmp_path / "enhanced", tmp_path / "out"))
