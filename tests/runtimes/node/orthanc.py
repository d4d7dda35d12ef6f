"""Orthanc as the archive of a hospital: DICOM, DICOMweb where its plugin is installed, storage commitment."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ports import free_port

START_S = 60.0
TITLE = "ORTHANC"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Past whatever proxy the environment names: it knows nothing of this machine's loopback."""


@dataclass
class Orthanc:
    """A server of our own. `stop` and `start` are what an archive does at night."""

    folder: Path
    http_port: int
    dicom_port: int
    process: "subprocess.Popen[bytes] | None" = None
    log: Any = field(default=None, repr=False)

    @property
    def node(self) -> str:
        return f"{TITLE}@127.0.0.1:{self.dicom_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def ask(self, path: str, data: bytes | None = None) -> bytes:
        with DIRECT.open(f"http://127.0.0.1:{self.http_port}{path}", data, timeout=START_S) as answer:
            found: bytes = answer.read()
        return found

    def told(self, path: str, data: bytes | None = None) -> Any:
        return json.loads(self.ask(path, data))

    def found(self, level: str = "Instance", **query: str) -> list[str]:
        """Identifiers of what is stored."""
        return list(self.told("/tools/find", json.dumps({"Level": level, "Query": query}).encode()))

    def files(self, **query: str) -> list[bytes]:
        """Stored objects."""
        return [self.ask(f"/instances/{one}/file") for one in self.found(**query)]

    def start(self) -> None:
        self.log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            ["Orthanc", str(self.folder / "orthanc.json")], stdout=self.log, stderr=self.log
        )
        for _ in range(int(START_S / 0.1)):
            try:
                self.ask("/system")
                return
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.1)
        raise AssertionError("Orthanc does not start")

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(START_S)
        self.log.close()


@contextmanager
def orthanc_in(folder: Path, node_port: int = 0, node_title: str = "MINISEG") -> Iterator[Orthanc]:
    """An empty archive; `node_port` is where it brings its confirmations."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Orthanc(folder, free_port(), free_port())
    settings = {
        **{"StorageDirectory": str(folder / "store"), "IndexDirectory": str(folder / "store")},
        **{"HttpPort": found.http_port, "RemoteAccessAllowed": False, "AuthenticationEnabled": False},
        **{"DicomServerEnabled": True, "DicomPort": found.dicom_port, "DicomAet": TITLE, "DicomAlwaysAllowStore": True},
        "Plugins": [str(PLUGIN.resolve())] if PLUGIN.exists() else [],
        "DicomModalities": {"node": [node_title, "127.0.0.1", node_port or 11112]},
        "DicomWeb": {"Enable": True},
        "StableAge": 1,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    found.start()
    try:
        yield found
    finally:
        if found.process is not None and found.process.poll() is None:
            found.stop()


def has_orthanc() -> bool:
    return shutil.which("Orthanc") is not None
