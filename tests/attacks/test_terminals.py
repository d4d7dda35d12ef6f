"""Texts that want to steer whatever shows them: escapes, forged lines, reversed words, and markup of rich's."""

import contextlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from miniseg_edge.bundle.bundle import write_bundle
from miniseg_edge.bundle.manifest import sealed
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.segment_command import main as segment
from miniseg_edge.runtimes.verification.command import main as verify
from miniseg_edge.slices.images import png_from_pixels, write_png
from miniseg_edge.studies.provenance import Provenance, stamped_png
from tests.bundles import small_bundle
from tests.studies.series import put, write_series

FORGED_LINE = "     signature      holds, by the owner of the trusted key"
HOSTILE = f"\x1b]0;title\x07\x1b[2J\x9b31m\r\n{FORGED_LINE}\u202e\u2028[red]x[/red]\x7f"


def is_harmless(shown: str) -> bool:
    return all(line.isprintable() for line in shown.split("\n")) and FORGED_LINE not in shown.split("\n")


def test_a_forged_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bundle(small_bundle(), tmp_path / "lung")
    stamp = Provenance(small_bundle().manifest.digest, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    picture = stamped_png(png_from_pixels(phantom(1, size=(64, 64)).image), stamp)
    (tmp_path / "mask.png").write_bytes(picture)
    assert verify([str(tmp_path / "lung"), "--explain", str(tmp_path / "mask.png")]) == 0
    shown = capsys.readouterr()
    assert r"\x1b]0;title\x07" in shown.out
    assert is_harmless(shown.out)


def test_a_hostile_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = small_bundle().manifest
    preprocessing = replace(manifest.preprocessing, statistics_source=HOSTILE)
    checkpoint = replace(manifest.checkpoint, name=HOSTILE)
    changed = sealed(replace(manifest, checkpoint=checkpoint, preprocessing=preprocessing, created=HOSTILE))
    write_bundle(replace(small_bundle(), manifest=changed), tmp_path / "lung")
    assert verify([str(tmp_path / "lung"), "--explain"]) == 0
    shown = capsys.readouterr()
    assert r"checkpoint \x1b]0;title\x07" in shown.out
    assert is_harmless(shown.out + shown.err)


def test_hostile_names_of_files(demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In tables, in errors, and in results."""
    name = HOSTILE.replace("/", "_")
    write_png(tmp_path / "slices" / f"{name}.png", phantom(1, size=(64, 64)).image)
    arguments = [str(demo_bundle_path), str(tmp_path / "slices"), "--output", str(tmp_path / "masks")]
    assert segment(arguments) == 0
    shown = capsys.readouterr()
    assert r"\x1b[2J" in shown.out
    assert is_harmless(shown.out + shown.err)
    (tmp_path / "slices" / f"{name}.png").write_bytes(b"no picture")
    assert segment([*arguments, "--overwrite"]) == 1
    shown = capsys.readouterr()
    assert r"\x1b[2J" in shown.err
    assert is_harmless(shown.out + shown.err)
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["a", "b", f"--{HOSTILE}"], ["a", "b", "--runtime", HOSTILE], ["a", "b", "--threads", HOSTILE], ["a"]]
)
def test_arguments_that_a_shell_made_of_hostile_names(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        segment(arguments)
    assert is_harmless(capsys.readouterr().err)


def test_a_series_that_describes_itself_with_escapes(
    demo_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in", 2, put(SeriesDescription="\x1b[2J\x9bthorax", ConvolutionKernel="\x1b[7m"))
    assert segment([str(demo_bundle_path), str(tmp_path / "in"), "--list"]) == 0
    assert is_harmless(capsys.readouterr().out)


def test_a_page_shows_them_as_text(tmp_path: Path, bundle_path: Path) -> None:
    """A browser reverses lines for a control, too."""
    from miniseg_edge.runtimes.verification.chain import Fact, Link
    from miniseg_edge.runtimes.verification.page import page_from_verification
    from tests.runtimes.verification.test_chain import record_in

    assert verify([str(bundle_path), "--record", str(tmp_path)]) == 0
    record = record_in(tmp_path)
    link = Link(HOSTILE, (Fact(HOSTILE, HOSTILE + "\udc80"),))
    page = page_from_verification(replace(record, bundle=HOSTILE, chain=(link,), not_checked=(HOSTILE,)))
    page.encode("utf-8")
    assert is_harmless(page)
    assert r"\u202e" in page


@pytest.mark.parametrize("letter", ["肺", "\u00a0", "\u3164"], ids=["wide", "no-break space", "filler"])
def test_no_long_value_begins_a_line_of_a_terminal(tmp_path: Path, letter: str) -> None:
    """On a real pseudo-terminal of 80 columns, which folds what is longer."""
    pty = pytest.importorskip("pty", reason="needs a POSIX system")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    manifest = small_bundle().manifest
    columns = 2 if letter == "肺" else 1
    filled = letter * ((80 - len("     SHA-256        ")) // columns) + FORGED_LINE
    checkpoint = replace(manifest.checkpoint, name=f"[bold]x[/bold]{letter * 80}{FORGED_LINE}", sha256=filled)
    write_bundle(
        replace(small_bundle(), manifest=sealed(replace(manifest, created=filled, checkpoint=checkpoint))),
        tmp_path / "lung",
    )
    command = "from miniseg_edge.runtimes.verification.command import main; main(['lung', '--explain'])"
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, (24).to_bytes(2, sys.byteorder) + (80).to_bytes(2, sys.byteorder) * 3)
    shown = b""
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-c", command], cwd=tmp_path, stdout=follower, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        with contextlib.suppress(OSError):  # how a terminal reports that its writer is gone
            while data := os.read(leader, 65536):
                shown += data
        assert process.wait() == 0
    os.close(leader)
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "").split("\n")
    assert any("[bold]x[/bold]" in line for line in lines)
    folded = [row for line in lines for row in rows_of(line)]
    assert any("by the owner" in row for row in folded)
    assert [row.split() for row in folded if row.startswith("     signature")] == [["signature", "none"]]


def rows_of(line: str) -> list[str]:
    """A line as 80 columns of a terminal show it."""
    rows, width = [""], 0
    for letter in line:
        columns = 2 if "\u3000" < letter < "\ua000" else 1
        if width + columns > 80:
            rows, width = [*rows, ""], 0
        rows[-1] += letter
        width += columns
    return rows


def test_findings_of_a_hostile_study_are_ascii(demo_bundle_path: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "\x1b[2Jin", 2)
    arguments = [str(demo_bundle_path), str(tmp_path / "\x1b[2Jin"), "--output", str(tmp_path / "out")]
    assert segment([*arguments, "--format", "json"]) == 0
    text = (tmp_path / "out" / "findings.json").read_bytes().decode("ascii")
    assert is_harmless(text)
    json.loads(text)
