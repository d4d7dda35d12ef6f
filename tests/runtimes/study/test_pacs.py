"""Through a real PACS and back: Orthanc on loopback stores a series, gives it out, and takes its segmentation."""

import io
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import miniseg_edge
from miniseg_edge.runtimes.segment_command import main
from miniseg_edge.studies import open_study
from tests.ports import free_port
from tests.studies.series import STUDY_UID, write_series

START_S = 60.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Past whatever proxy the environment names: it knows nothing of this machine's loopback."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("Orthanc") is None, reason="needs Orthanc of Debian's package orthanc"),
]


@dataclass(frozen=True)
class Orthanc:
    """Orthanc's REST interface."""

    address: str

    def ask(self, path: str, data: bytes | None = None) -> bytes:
        with DIRECT.open(self.address + path, data, timeout=START_S) as answer:
            found: bytes = answer.read()
        return found

    def told(self, path: str, data: bytes | None = None) -> Any:
        return json.loads(self.ask(path, data))

    def stored(self, data: bytes, status: str = "Success") -> str:
        """Stores a DICOM object, which the server answers with `status`; its identifier there."""
        answer = self.told("/instances", data)
        assert answer["Status"] == status
        return str(answer["ID"])


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A server of our own: an empty store, HTTP for this machine alone, no DICOM port, no plugins."""
    folder = tmp_path_factory.mktemp("orthanc")
    port = free_port()
    settings = {
        **{"StorageDirectory": str(folder), "IndexDirectory": str(folder), "Plugins": []},
        **{"HttpPort": port, "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomServerEnabled": False},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        found = Orthanc(f"http://127.0.0.1:{port}")
        for _ in range(int(START_S / 0.1)):
            try:
                found.ask("/system")
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(START_S)


def fetched(orthanc: Orthanc, series: str, folder: Path) -> Path:
    """A series as the PACS gives it out: an archive with names of its own."""
    with zipfile.ZipFile(io.BytesIO(orthanc.ask(f"/series/{series}/archive"))) as archive:
        archive.extractall(folder)
    return folder


def test_a_segmentation_goes_to_the_archive_and_comes_back(
    orthanc: Orthanc, demo_bundle_path: Path, tmp_path: Path
) -> None:
    series = write_series(tmp_path / "series", 6)
    with miniseg_edge.load(demo_bundle_path) as segmenter:
        expected = segmenter.segment_volume_hu(open_study(series).volume().voxels_hu).mask
    for path in series.iterdir():
        orthanc.stored(path.read_bytes())
    (held,) = orthanc.told("/series")

    study = fetched(orthanc, held, tmp_path / "fetched")
    words = [str(demo_bundle_path), str(study), "--output", str(tmp_path / "out"), "--format", "dicom-seg"]
    assert main(words) == 0
    stored = orthanc.stored((tmp_path / "out" / "mask.dcm").read_bytes())

    (one_study,) = orthanc.told("/studies")
    assert orthanc.told(f"/studies/{one_study}")["MainDicomTags"]["StudyInstanceUID"] == STUDY_UID
    query = {"Level": "Series", "Query": {"Modality": "SEG", "StudyInstanceUID": STUDY_UID}}
    (found,) = orthanc.told("/tools/find", json.dumps(query).encode())
    assert orthanc.told(f"/series/{found}")["Instances"] == [stored]
    assert main([*words, "--overwrite"]) == 0
    orthanc.stored((tmp_path / "out" / "mask.dcm").read_bytes(), "AlreadyStored")

    seg = pydicom.dcmread(io.BytesIO(orthanc.ask(f"/instances/{stored}/file")))
    sources = {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in series.iterdir()}
    referenced = {
        str(one.ReferencedSOPInstanceUID) for one in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert referenced <= sources
    by_uid = {image.sop_instance_uid: i for i, image in enumerate(open_study(series).origin.images)}
    masks = np.zeros_like(expected)
    frames = seg.pixel_array.reshape(-1, *expected.shape[1:])
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        masks[by_uid[str(source)]] = frame
    np.testing.assert_array_equal(masks, expected)
    assert expected.any()
