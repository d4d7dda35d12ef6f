import contextlib
import os
import re
import subprocess
import sys

import pytest

from miniseg_edge.console import terminal

COLUMNS = ("target", "slices", "max difference", "ties", "flips", "Dice mean", "worst", "mIoU", "reference", "parity")
ROWS = [
    ("onnxruntime fp32", "100", "1.1e-05", "12", "0", "0.99991", "0.99989", "0.81234", "0.81235", "passed"),
    ("[red]openvino[/red]", "100", "2.2e-02", "345", "6", "0.97", "0.5", "0.7", "0.81235", "FAILED"),
]


def output_of(code: str, encoding: str = "utf-8", *, rich: bool = True) -> subprocess.CompletedProcess[str]:
    """What a fresh process prints into pipes, with rich or as if it were not installed."""
    blocked = "" if rich else "import sys; sys.modules['rich'] = None\n"
    return subprocess.run(
        [sys.executable, "-c", f"{blocked}from miniseg_edge.console import terminal\n{code}"],
        capture_output=True,
        check=True,
        encoding=encoding,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )


@pytest.fixture(scope="module", params=[True, False], ids=["rich", "plain"])
def rich(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class TestPipes:
    """Commands run in scripts more often than before eyes: what they print there must be complete."""

    def test_a_row_of_a_table_is_a_line_with_all_its_cells(self, rich: bool) -> None:
        lines = output_of(f"terminal.table('Parity', {COLUMNS!r}, {ROWS!r}, [1])", rich=rich).stdout.splitlines()
        for cells in (COLUMNS, *ROWS):
            assert any(all(cell in line for cell in cells) for line in lines), cells
        assert any("Parity" in line for line in lines)

    def test_a_table_without_rows_has_its_head(self, rich: bool) -> None:
        assert "worst" in output_of("terminal.table('Parity', ['target', 'worst'], [])", rich=rich).stdout

    def test_lines_go_where_they_belong(self, rich: bool) -> None:
        found = output_of("terminal.say('said'); terminal.warn('warned'); terminal.fail('failed')", rich=rich)
        assert found.stdout == "said\n"
        assert found.stderr == "warning: warned\nfailed\n"

    def test_a_long_line_stays_one_line(self, rich: bool) -> None:
        assert output_of("terminal.say('word ' * 100 + 'end')", rich=rich).stdout == "word " * 100 + "end\n"

    def test_brackets_are_text_and_no_markup(self, rich: bool) -> None:
        assert output_of("terminal.say('[bold]slice[0][/bold]')", rich=rich).stdout == "[bold]slice[0][/bold]\n"

    def test_a_bar_that_nobody_sees_leaves_nothing(self) -> None:
        code = """
for _ in terminal.track([1, 2], 'reading'): pass
with terminal.counted('segmenting', 2) as progress: progress(1, 2)
"""
        assert output_of(code).stderr == ""

    def test_all_items_are_worked_through_in_order(self, rich: bool) -> None:
        assert output_of("print(list(terminal.track([3, 1, 2], 'parity')))", rich=rich).stdout.endswith("[3, 1, 2]\n")

    def test_a_step_ends_with_its_duration(self, rich: bool) -> None:
        found = output_of("with terminal.step('export'): pass", rich=rich).stdout
        assert re.fullmatch(r"  export: \d+\.\d s\n", found)

    def test_a_step_that_fails_claims_no_duration(self, rich: bool) -> None:
        code = """
try:
    with terminal.step('export'):
        raise ValueError
except ValueError:
    pass
"""
        assert output_of(code, rich=rich).stdout == ""

    def test_a_long_wait_is_explained_and_a_short_one_is_not(self, rich: bool) -> None:
        code = """
import threading
with terminal.patience('opening'): pass
terminal.PATIENCE_S = 0.01
with terminal.patience('compiling'):
    for timer in (t for t in threading.enumerate() if isinstance(t, threading.Timer)): timer.join()
"""
        found = output_of(code, rich=rich)
        assert (found.stdout, found.stderr) == ("", "compiling ...\n")

    def test_a_step_can_say_how_far_it_is(self, rich: bool) -> None:
        found = output_of("with terminal.step('engine') as tell: tell('3 of 5')", rich=rich)
        assert re.fullmatch(r"  engine: \d+\.\d s\n", found.stdout)

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
    def test_a_sign_that_the_stream_does_not_know_stops_nothing(self, rich: bool, encoding: str) -> None:
        code = "terminal.say('max Δ'); terminal.table('Δ', ['Δ', 'worst'], [['Δ', '0.5']]); terminal.fail('Δ \\udc80')"
        found = output_of(code, encoding, rich=rich)
        assert "max" in found.stdout
        assert "0.5" in found.stdout

    def test_a_file_name_that_is_no_unicode_stops_nothing(self, rich: bool) -> None:
        assert output_of("terminal.say('slice-\\udc80.png')", rich=rich).stdout.startswith("slice-")


@pytest.mark.parametrize("style", ["plain", "good", "bad", "warning"])
def test_every_style_shows_the_text(style: terminal.Style, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("text", style)
    assert capsys.readouterr().out == "text\n"


def test_lines_come_above_a_progress_bar_on_a_terminal() -> None:
    """On a real pseudo-terminal: a line that is said while a bar is shown starts on a line of its own."""
    pty = pytest.importorskip("pty", reason="needs a POSIX system")
    script = (
        "from miniseg_edge.console import terminal\n"
        "with terminal.counted('counting', 3) as bar:\n"
        "    bar(1, 3)\n"
        "    terminal.say('said in between')\n"
        "    terminal.warn('warned')\n"
        "terminal.say('said after')"
    )
    leader, follower = pty.openpty()
    shown = b""
    with subprocess.Popen([sys.executable, "-c", script], stdout=follower, stderr=follower) as process:
        os.close(follower)
        with contextlib.suppress(OSError):  # how a terminal reports that its writer is gone
            while data := os.read(leader, 65536):
                shown += data
        assert process.wait() == 0
    os.close(leader)
    lines = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).replace(b"\r", b"\n").split(b"\n")
    assert {b"said in between", b"warning: warned", b"said after"} <= {line.strip() for line in lines}


def test_a_note_behind_a_progress_bar_is_cut_at_the_end_of_the_line() -> None:
    from io import StringIO

    from rich.console import Console

    shown = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            terminal, "_console", lambda stream: Console(file=shown, width=80, force_terminal=True, highlight=False)
        )
        with terminal.counted("segmenting", 1_000_000, lambda: "12.5 slices/s, 7 failed: " + "CODE 1, " * 20) as bar:
            bar(123_456, 1_000_000)
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.getvalue()).replace("\r", "\n").split("\n")
    assert max(map(len, lines)) <= 80
    assert any("123456/1000000" in line and "12.5 slices/s, 7 fai" in line for line in lines)
