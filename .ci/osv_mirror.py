"""Answers questions about vulnerabilities from a copy of OSV's records, on loopback, while a command runs.

`python osv_mirror.py DATABASE COMMAND ...`: a folder of records, or OSV's `PyPI/all.zip`; `{}` in the command is the
address. The exit code is the command's.
"""

import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Records = dict[str, list[dict[str, Any]]]


def records_in(database: Path) -> Records:
    """All records, by the packages that they are about."""
    found: Records = {}
    for text in _texts(database):
        record: dict[str, Any] = json.loads(text)
        for package in {affected["package"]["name"] for affected in record.get("affected", [])}:
            found.setdefault(canonicalize_name(package), []).append(record)
    return found


def _texts(database: Path) -> Iterator[bytes]:
    if database.is_dir():
        yield from (path.read_bytes() for path in sorted(database.glob("*.json")))
        return
    with zipfile.ZipFile(database) as packed:
        yield from (packed.read(name) for name in packed.namelist() if name.endswith(".json"))


def affects(record: dict[str, Any], name: str, version: str) -> bool:
    """Whether a record is about this version: it is listed, or lies in a range."""
    for affected in record["affected"]:
        package = affected["package"]
        if package["ecosystem"] == "PyPI" and canonicalize_name(package["name"]) == name:
            ranges = [one["events"] for one in affected.get("ranges", []) if one["type"] == "ECOSYSTEM"]
            if version in affected.get("versions", []) or any(_within(version, events) for events in ranges):
                return True
    return False


def _within(version: str, events: list[dict[str, str]]) -> bool:
    """Whether the last of the events up to this version says that it is affected."""
    kinds = [(_known(value), kind) for event in events for kind, value in event.items()]
    inside, asked = False, _known(version)
    for at, kind in sorted(kinds, key=lambda pair: pair[0]):
        if at < asked or (at == asked and kind != "last_affected"):
            inside = kind == "introduced"
    return inside


def _known(version: str) -> Version:
    """OSV writes "0" for the beginning; what is no version lies before all others."""
    try:
        return Version("0.dev0" if version == "0" else version)
    except InvalidVersion:
        return Version("0.dev0")


def server_of(records: Records) -> ThreadingHTTPServer:
    """The part of OSV's interface that pip-audit asks: POST {package, version} -> {"vulns": [...]}."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = canonicalize_name(asked["package"]["name"])
            vulns = [record for record in records.get(name, []) if affects(record, name, asked["version"])]
            body = json.dumps({"vulns": vulns} if vulns else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def main() -> int:
    """Serves while the command runs."""
    records = records_in(Path(sys.argv[1]))
    if not records:
        sys.exit(f"{sys.argv[1]} holds no records")
    server = server_of(records)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/query"
    command = [url if word == "{}" else word for word in sys.argv[2:]]
    return subprocess.run(command, check=False).returncode  # noqa: S603  whoever runs this names it


if __name__ == "__main__":
    sys.exit(main())
