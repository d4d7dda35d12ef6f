"""Checkpoints that want more than to be read: code, endless structures, paths."""

import contextlib
import io
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from miniseg_edge.errors import CheckpointError, MiniSegError, StatisticsError, UnsafeCheckpointError
from miniseg_edge.training.checkpoint import checkpoint_from_file


class Call:
    """A pickle that calls something when it is trusted."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def ways_to_run_code(marker: Path) -> dict[str, object]:
    """Each would make a folder."""
    command = f"mkdir '{marker}'"
    return {
        "os.system": Call(os.system, command),
        "eval": Call(eval, f"__import__('os').mkdir({str(marker)!r})"),
        "exec": Call(exec, f"import os; os.mkdir({str(marker)!r})"),
        "torch's own loader": Call(torch.load, str(marker)),
        "a module's path": Call(__import__, "this"),
    }


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "zip"])
def test_code_is_refused_and_not_run(tiny_checkpoint_path: Path, tmp_path: Path, legacy: bool) -> None:
    content = torch.load(tiny_checkpoint_path, weights_only=True)
    for name, payload in ways_to_run_code(tmp_path / "pwned").items():
        for hostile in ({**content, name: payload}, {"state_dict": payload}, payload):
            torch.save(hostile, tmp_path / "hostile.pth", _use_new_zipfile_serialization=not legacy)
            with pytest.raises(UnsafeCheckpointError):
                checkpoint_from_file(tmp_path / "hostile.pth")
    assert not (tmp_path / "pwned").exists()
    assert "this" not in sys.modules


def endless(levels: int = 40) -> list[Any]:
    """Forty lists in the file, 10 to the 40th power of them when written out."""
    found: list[Any] = []
    for _ in range(levels):
        found = [found] * 10
    return found


def test_structures_that_are_endless_when_written_out_are_refused(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    """An error that quotes one, or a record that is checked by writing it, would never end."""
    content = torch.load(tiny_checkpoint_path, weights_only=True)
    path = tmp_path / "bomb.pth"
    for hostile, kind in (
        ({**content, "training": {"log": endless(12)}}, CheckpointError),
        ({**content, "statistics": endless()}, StatisticsError),
        ({**content, "statistics": {"mean": endless(), "std": 1}}, StatisticsError),
        ({"state_dict": {"a": endless()}}, UnsafeCheckpointError),
        ({"state_dict": {7: endless()}}, UnsafeCheckpointError),
        (endless(), UnsafeCheckpointError),
    ):
        torch.save(hostile, path)
        assert path.stat().st_size < 2**20
        with pytest.raises(kind):
            checkpoint_from_file(path)


def test_names_of_megabytes_are_not_repeated_in_errors(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    content = torch.load(tiny_checkpoint_path, weights_only=True)
    content["state_dict"] |= {"x" * 2**20 + str(i): torch.zeros(1) for i in range(3)}
    torch.save(content, tmp_path / "names.pth")
    with pytest.raises(CheckpointError) as caught:
        checkpoint_from_file(tmp_path / "names.pth")
    assert len(str(caught.value)) < 4000


def test_many_expanded_tensors_are_refused_together(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    """Each is within the budget, all of them would take 25 GB."""
    content = torch.load(tiny_checkpoint_path, weights_only=True)
    content["state_dict"] |= {f"level1.{i}.bn.weight": torch.zeros(1).expand(2**26) for i in range(100)}
    torch.save(content, tmp_path / "expanded.pth")
    with pytest.raises(CheckpointError, match="is too large"):
        checkpoint_from_file(tmp_path / "expanded.pth")


def test_an_archive_writes_nothing_wherever_its_names_point(tiny_checkpoint_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(tiny_checkpoint_path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for escape in ("../../escaped", "/tmp/miniseg-escaped", "..\\..\\escaped", "archive/../../../escaped"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in {**files, escape: b"x"}.items():
                archive.writestr(name, data)
        (folder / "escape.pth").write_bytes(buffer.getvalue())
        with contextlib.suppress(MiniSegError):  # or the entry is left alone, which is as good
            checkpoint_from_file(folder / "escape.pth")
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "b", "escape.pth"]
    assert not Path("/tmp/miniseg-escaped").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(CheckpointError, match="is not a file"):
        checkpoint_from_file(tmp_path / "pipe.pth")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickles_of_every_protocol_are_refused(tmp_path: Path, protocol: int) -> None:
    for content in ({"a": 1}, Call(os.mkdir, str(tmp_path / "pwned"))):
        (tmp_path / "plain.pth").write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(CheckpointError):
            checkpoint_from_file(tmp_path / "plain.pth")
    assert not (tmp_path / "pwned").exists()
