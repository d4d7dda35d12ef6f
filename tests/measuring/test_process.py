"""Real processes, whose commands are in `tests.measuring.commands`."""

from collections.abc import Iterator

import psutil
import pytest

from miniseg_edge.errors import InferenceError
from miniseg_edge.measuring.process import MeasuringProcess


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[MeasuringProcess]:
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))  # the tests are not installed
    with MeasuringProcess("tests.measuring.commands", "the one") as started:
        yield started


def test_answers_are_what_json_carries_or_dataclasses_of_it(process: MeasuringProcess) -> None:
    assert process.ask("twice", number=4) == 8
    assert process.ask("point") == {"x": 1, "samples": [0.5, 0.25]}


def test_what_a_vendor_prints_is_no_answer(process: MeasuringProcess) -> None:
    assert process.ask("chatter") == "after the noise"


@pytest.mark.parametrize(
    ("command", "said"),
    [("fails", "ValueError: no such luck"), ("refuses", "a slice is missing"), ("unheard_of", "unheard_of")],
)
def test_a_command_that_fails_is_an_error_in_words_and_the_process_lives(
    process: MeasuringProcess, command: str, said: str
) -> None:
    with pytest.raises(InferenceError, match=f"the one failed.*{said}"):
        process.ask(command)
    assert process.ask("twice", number=1) == 2


def test_a_process_that_dies_is_an_error_not_a_hang(process: MeasuringProcess) -> None:
    with pytest.raises(InferenceError, match="the one: the process died"):
        process.ask("dies")
    with pytest.raises(InferenceError, match="the one: the process died"):
        process.ask("twice", number=1)


def test_it_ends_with_its_block(process: MeasuringProcess) -> None:
    assert psutil.pid_exists(process.pid)
    process.close()
    process.close()
    assert not psutil.pid_exists(process.pid)


def test_what_lies_in_the_current_folder_is_not_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "json.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(folder)
    with MeasuringProcess("miniseg_edge.benchmarks.run.limit", "the limit") as process:
        answered = process.ask("gflops", runtime="onnxruntime", precision="fp32", threads=1, seconds=0.01)
    assert answered > 0
