"""A node in a process of its own, and scanners that send to it."""

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import UID
from pynetdicom import AE, evt

from miniseg_edge.runtimes.node.associations.closing import close_for_certain
from tests.runtimes.node.orthanc import DIRECT

PATIENCE_S = 60.0
TITLE = "MINISEG"
_CODE = "import sys; from miniseg_edge.runtimes.node.command import main; sys.exit(main())"


def wait_until(true: Callable[[], bool], what: Callable[[], str], patience_s: float = PATIENCE_S) -> None:
    """Looks again and again; fails only when a busy machine too would have done it long ago."""
    limit = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < limit, f"in vain: {what()}"
        time.sleep(0.02)


@dataclass
class Running:
    """A node that takes connections."""

    process: "subprocess.Popen[bytes]"
    port: int
    metrics_port: int
    spool: Path
    log: Path

    def metric(self, name: str) -> float:
        """A value of /metrics; 0 where it has not been counted yet."""
        address = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with DIRECT.open(urllib.request.Request(address), timeout=PATIENCE_S) as answer:
            text = answer.read().decode()
        found = re.search(rf"^{re.escape(name)} (.+)$", text, re.MULTILINE)
        return 0.0 if found is None else float(found[1])

    def ended(self, status: str = "done", code: str = "") -> float:
        """Series that ended so."""
        return self.metric(f'miniseg_node_series_total{{code="{code}",status="{status}"}}')

    def wait_for(self, count: int, status: str = "done", code: str = "") -> None:
        """Until so many series ended so."""
        wait_until(lambda: self.ended(status, code) >= count, lambda: f"{count} series {status} {code}: {self.said()}")

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")

    def stop(self) -> int:
        """Ends it as systemd would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


def words_of(bundle: Path, folder: Path, *words: str) -> list[str]:
    """The command of a node, on a free port, with its spool and its files in `folder`."""
    return [
        *(
            sys.executable,
            "-c",
            _CODE,
            str(bundle),
            "--spool",
            str(folder / "spool"),
            "--port-file",
            str(folder / "port"),
        ),
        *("--threads", "1", "--metrics-port", "0", "--min-free", "1"),
        *(() if "--port" in words else ("--port", "0")),
        *(() if "--wait" in words else ("--wait", "1")),
        *words,
    ]


@contextmanager
def running(bundle: Path, folder: Path, *words: str) -> Iterator[Running]:
    """Starts a node and waits until it takes connections; ends it in any case."""
    folder.mkdir(parents=True, exist_ok=True)
    port_file, log = folder / "port", folder / "log"
    port_file.unlink(missing_ok=True)
    with (
        log.open("ab") as written,
        subprocess.Popen(words_of(bundle, folder, *words), stdout=written, stderr=written) as process,
    ):
        try:
            wait_until(lambda: port_file.exists() or process.poll() is not None, lambda: "the node's port")
            assert process.poll() is None, log.read_text()
            port, metrics_port = port_file.read_text().split()
            yield Running(process, int(port), int(metrics_port), folder / "spool", log)
        finally:
            process.kill()


def associated(port: int, paths: Iterable[Path] = (), title: str = "SCANNER", called: str = TITLE, **more: Any) -> Any:
    """An association for these objects, as they are encoded."""
    ours = AE(ae_title=title)
    ours.dimse_timeout = ours.acse_timeout = ours.network_timeout = PATIENCE_S
    wanted: dict[str, set[str]] = {"1.2.840.10008.1.1": {"1.2.840.10008.1.2"}}
    for path in paths:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        wanted.setdefault(str(header.SOPClassUID), set()).add(str(header.file_meta.TransferSyntaxUID))
    for sop_class, syntaxes in wanted.items():
        for syntax in sorted(syntaxes):
            ours.add_requested_context(UID(sop_class), [UID(syntax)])
    return ours.associate(
        "127.0.0.1", port, ae_title=called, evt_handlers=[(evt.EVT_CONN_OPEN, close_for_certain)], **more
    )


def sent(port: int, paths: Iterable[Path], title: str = "SCANNER") -> list[int]:
    """Sends objects on one association; the status of each."""
    paths = list(paths)
    association = associated(port, paths, title)
    assert association.is_established
    try:
        return [int(association.send_c_store(pydicom.dcmread(path)).get("Status", -1)) for path in paths]
    finally:
        association.release()
