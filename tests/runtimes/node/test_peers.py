"""Peers and archives as a command line names them; and what a node refuses before it opens anything."""

from pathlib import Path

import pytest

from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.node.associations.peers import ArchiveNode, ArchiveUrl, accepted, destination
from miniseg_edge.runtimes.node.command import main
from miniseg_edge.runtimes.node.limits import NodeLimits


@pytest.mark.parametrize(
    ("peer", "title", "address", "admitted"),
    [
        ("CT1", "CT1", "203.0.113.9", True),
        ("CT1", "CT2", "203.0.113.9", False),
        ("CT1@192.0.2.10", "CT1", "192.0.2.10", True),
        ("CT1@192.0.2.10", "CT1", "192.0.2.11", False),
        ("CT1@192.0.2.10", "CT1", "::ffff:192.0.2.10", True),
        ("CT1@192.0.2.0/24", "CT1", "192.0.2.200", True),
        ("CT1@2001:db8::/32", "CT1", "2001:db8::5%eth0", True),
        ("CT1@2001:db8::/32", "CT1", "192.0.2.10", False),
    ],
)
def test_a_peer_is_its_title_and_its_address(peer: str, title: str, address: str, admitted: bool) -> None:
    assert accepted(peer).admits(title, address) is admitted


@pytest.mark.parametrize("text", ["", "@192.0.2.1", "A@", "A@host", "A" * 17, " A", "A\\B", "A@192.0.2.1/8", "Ä"])
def test_no_peer_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        accepted(text)


def test_archives_are_told_apart() -> None:
    assert destination("PACS@[::1]:104") == ArchiveNode("PACS", "::1", 104)
    assert destination("https://pacs.example/dicom-web/") == ArchiveUrl("https://pacs.example/dicom-web")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PACS",
        "PACS@host",
        "PACS@host:0",
        "PACS@host:70000",
        "@host:104",
        "https://",
        "https://u:p@host/",
        "http://h/?q",
    ],
)
def test_no_archive_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        destination(text)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["bundle"],
        ["bundle", "--send", "PACS"],
        ["bundle", "--send", "PACS@127.0.0.1:104", "--host", "0.0.0.0"],
        ["bundle", "--send", "PACS@127.0.0.1:104", "--host", "192.0.2.1", "--accept", "CT1"],
        ["bundle", "--send", "PACS@127.0.0.1:104", "--host", "pacs.example"],
        ["bundle", "--send", "PACS@127.0.0.1:104", "--aet", "A" * 17],
        ["bundle", "--send", "PACS@127.0.0.1:104", "--max-series", "0"],
        ["bundle", "--send", "PACS@127.0.0.1:104", "--tls-cert", "cert.pem"],
        ["--status", "--spool", "nothing"],
    ],
)
def test_a_wrong_command_opens_nothing(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert not list(tmp_path.iterdir())


def test_limits_are_positive() -> None:
    with pytest.raises(UsageError):
        NodeLimits(associations=0)
    with pytest.raises(UsageError):
        NodeLimits(pdu_bytes=100)
