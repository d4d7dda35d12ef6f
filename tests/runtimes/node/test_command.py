"""What a node refuses before it takes anything."""

from pathlib import Path

import pytest

from miniseg_edge.export.exporter import export_bundle
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.runtimes.node.command import main

SEND = ("--send", "PACS@127.0.0.1:104")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "got neither"),
        (["bundle"], "got a bundle alone"),
        ([*SEND], "got an archive alone"),
        (["bundle", *SEND, "--host", "0.0.0.0"], "got 0.0.0.0 without --accept"),
        (["bundle", *SEND, "--host", "0.0.0.0", "--accept", "CT1"], "got --accept CT1 without an address"),
    ],
)
def test_it_says_what_is_missing(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--spool", str(tmp_path / "spool")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "spool").exists()


def test_a_bundle_without_a_window_is_refused_at_the_start(
    tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_bundle(ExportRequest(tiny_checkpoint_path, tmp_path / "bundle", ("native",), ("fp32",), size=(64, 64)))
    assert main([str(tmp_path / "bundle"), *SEND, "--spool", str(tmp_path / "spool")]) == 2
    assert "Export again with --window LOW HIGH" in capsys.readouterr().err
