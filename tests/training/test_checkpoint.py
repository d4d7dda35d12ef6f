import contextlib
import functools
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from miniseg_edge.architecture import PRESETS, Architecture
from miniseg_edge.errors import CheckpointError, MiniSegError, StatisticsError, UnsafeCheckpointError
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.checkpoint import checkpoint_from_file, save_checkpoint
from miniseg_edge.training.networks.miniseg import MiniSeg

STATISTICS = Statistics(0.6, 0.3)
TINY = Architecture((4, 8, 8, 12), (1, 0, 2, 1), (1, 0, 1, 0), classes=3, in_channels=1)


def saved(content: object, path: Path, *, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def state(architecture: Architecture = TINY) -> dict[str, Any]:
    return MiniSeg(architecture).state_dict()


@pytest.mark.parametrize("architecture", [*PRESETS.values(), TINY])
@pytest.mark.parametrize("auxiliary", [True, False])
def test_shape_is_inferred_and_weights_come_back(architecture: Architecture, auxiliary: bool, tmp_path: Path) -> None:
    network = MiniSeg(architecture, auxiliary=auxiliary)
    save_checkpoint(network, STATISTICS, tmp_path / "ours.pth")
    found = checkpoint_from_file(tmp_path / "ours.pth")
    assert (found.architecture, found.auxiliary, found.statistics) == (architecture, auxiliary, STATISTICS)
    again = found.network().state_dict()
    for key, tensor in network.state_dict().items():
        torch.testing.assert_close(again[key], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrappers_and_prefixes_are_understood(wrapper: str | None, prefix: str, legacy: bool, tmp_path: Path) -> None:
    content: object = {prefix + key: value for key, value in state().items()}
    path = saved({wrapper: content, "epoch": 3} if wrapper else content, tmp_path / "wrapped.pth", legacy=legacy)
    assert checkpoint_from_file(path).architecture == TINY


def test_other_floating_dtypes_become_float32(tmp_path: Path) -> None:
    halved = {key: value.half() if value.is_floating_point() else value for key, value in state().items()}
    found = checkpoint_from_file(saved(halved, tmp_path / "half.pth"))
    assert found.state["long1.bn.weight"].dtype == torch.float32


def test_missing_and_unexpected_keys_are_listed(tmp_path: Path) -> None:
    content = state()
    del content["down1.conv.weight"]
    content["optimizer.extra"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        checkpoint_from_file(saved(content, tmp_path / "keys.pth"))
    assert "1 missing (down1.conv.weight)" in str(caught.value)
    assert "1 unexpected (optimizer.extra)" in str(caught.value)


def test_another_network_is_refused_with_its_keys(tmp_path: Path) -> None:
    other = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1)).state_dict()
    with pytest.raises(CheckpointError, match=r"2 unexpected \(0\.weight, 0\.bias\)"):
        checkpoint_from_file(saved(other, tmp_path / "other.pth"))


def test_a_wrong_shape_names_the_tensor(tmp_path: Path) -> None:
    content = state()
    content["level3.0.conv2.weight"] = torch.zeros(2, 1, 5, 5)
    with pytest.raises(CheckpointError, match=r"level3\.0\.conv2\.weight has a wrong shape"):
        checkpoint_from_file(saved(content, tmp_path / "shape.pth"))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    content = state()
    content["pred1.1.bias"][0] = float("nan")
    with pytest.raises(CheckpointError, match=r"pred1\.1\.bias is not finite"):
        checkpoint_from_file(saved(content, tmp_path / "nan.pth"))


class _Code:
    """What a hostile pickle does when it is trusted."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("form", ["pickle", "legacy", "zip"])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(form: str, tmp_path: Path) -> None:
    hostile = {**state(), "payload": _Code(tmp_path / "pwned")}
    path = tmp_path / "hostile.pth"
    if form == "pickle":
        path.write_bytes(pickle.dumps(hostile["payload"]))
    else:
        saved(hostile, path, legacy=form == "legacy")
    with pytest.raises(UnsafeCheckpointError):
        checkpoint_from_file(path)
    assert not (tmp_path / "pwned").exists()


def test_what_is_unsafe_is_named_without_torchs_advice_to_load_it_regardless(tmp_path: Path) -> None:
    path = saved({**state(), "payload": _Code(tmp_path / "pwned")}, tmp_path / "hostile.pth")
    with pytest.raises(UnsafeCheckpointError, match="mkdir") as caught:
        checkpoint_from_file(path)
    assert "weights_only` set to" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"# A title\n", b"GIF89a", bytes(100)])
def test_a_file_of_another_kind_is_not_a_checkpoint(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        checkpoint_from_file(tmp_path / "other.pth")
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [torch.zeros(3), [1, 2], {}, {"a": "text"}, {"state_dict": {"a": 3}}, {1: torch.ones(1)}]
)
def test_what_holds_no_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(UnsafeCheckpointError):
        checkpoint_from_file(saved(content, tmp_path / "odd.pth"))


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeCheckpointError):
        checkpoint_from_file(saved(MiniSeg(TINY), tmp_path / "module.pth"))


def test_expanded_and_absurd_tensors_are_refused(tmp_path: Path) -> None:
    content = state()
    content["pred1.1.bias"] = torch.zeros(1).expand(2**40)
    with pytest.raises(CheckpointError, match="is too large"):
        checkpoint_from_file(saved(content, tmp_path / "expanded.pth"))
    content = state()
    content["pred1.1.weight"] = torch.zeros(5000, 4, 1, 1)
    with pytest.raises(CheckpointError, match="at most 1024 channels"):
        checkpoint_from_file(saved(content, tmp_path / "absurd.pth"))
    content = state()
    content["level4.999999.conv1.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError):
        checkpoint_from_file(saved(content, tmp_path / "deep.pth"))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (300 * 2**20))
    (tmp_path / "bomb.pth").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="unpacks to too many bytes"):
        checkpoint_from_file(tmp_path / "bomb.pth")


@pytest.mark.parametrize("statistics", [{"mean": 0.5}, {"mean": "a", "std": 1}, 3, {"mean": float("nan"), "std": 0.1}])
def test_statistics_that_make_no_sense_are_refused(statistics: object, tmp_path: Path) -> None:
    with pytest.raises(StatisticsError):
        checkpoint_from_file(saved({"state_dict": state(), "statistics": statistics}, tmp_path / "stats.pth"))


def test_missing_files_and_folders_are_typed_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.pth"):
        with pytest.raises(CheckpointError, match="is not a file"):
            checkpoint_from_file(path)


@functools.cache
def whole_file(legacy: bool) -> bytes:
    """A legacy file holds memory addresses: its length changes with each saving, and Hypothesis needs it fixed."""
    content = io.BytesIO()
    torch.save(state(), content, _use_new_zipfile_serialization=not legacy)
    return content.getvalue()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), legacy=st.booleans())
def test_truncated_and_damaged_files_give_typed_errors_or_load(
    data: st.DataObject, legacy: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "damaged.pth"
    content = bytearray(whole_file(legacy))
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:position]
    else:
        content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with contextlib.suppress(MiniSegError):
        checkpoint_from_file(path)
