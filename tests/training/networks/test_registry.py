"""The registry of networks, and checkpoints of networks that are not MiniSeg."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from miniseg_edge.architecture import PRESETS
from miniseg_edge.errors import CheckpointError, MiniSegError, UnsafeCheckpointError, UsageError
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training import checkpoint
from miniseg_edge.training.checkpoint import check_storable, checkpoint_from_file, save_checkpoint
from miniseg_edge.training.networks import registry as networks
from miniseg_edge.training.networks.miniseg import MiniSeg
from miniseg_edge.training.networks.registry import (
    RegisteredNetwork,
    build_network,
    network_names,
    register_network,
    stored,
)
from tests.networks import TinyUNet

STATISTICS = Statistics(0.6, 0.3)
NAME = "tests-tiny-unet"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(build_network(NAME, 3, 4), STATISTICS, tmp_path / "other.pth")
    return tmp_path / "other.pth"


def edited(path: Path, **changes: object) -> Path:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)
    return path


@pytest.fixture
def clean_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(networks, "_registered", dict(networks._registered))


class TestRegistry:
    @pytest.mark.parametrize("preset", PRESETS)
    def test_presets_are_built_by_name(self, preset: str) -> None:
        network = build_network(preset, in_channels=1, classes=3)
        assert isinstance(network, MiniSeg)
        assert (network.in_channels, network.classes) == (1, 3)

    def test_a_registered_network_gives_its_heads_and_its_own_state(self) -> None:
        network = build_network(NAME, 1, 3)
        assert isinstance(network, RegisteredNetwork)
        x = torch.rand(2, 1, 6, 8)
        heads = network.forward_all(x)
        assert [head.shape for head in heads] == [(2, 3, 6, 8)] * 2
        assert torch.equal(network(x), heads[0])
        assert list(stored(network).state_dict()) == list(TinyUNet(1, 3).state_dict())

    @pytest.mark.usefixtures("clean_registry")
    def test_ten_lines_register_a_network(self) -> None:
        register_network("mine", lambda in_channels, classes: nn.Conv2d(in_channels, classes, 1))
        assert "mine" in network_names()
        assert build_network("mine")(torch.rand(1, 3, 5, 5)).shape == (1, 2, 5, 5)

    @pytest.mark.parametrize("name", ["miniseg-83k", NAME])
    def test_a_name_that_is_taken_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError, match="is already registered"):
            register_network(name, TinyUNet)

    @pytest.mark.parametrize("name", ["", "Mine", "../mine", "-mine", "m" * 65, "mine\n"])
    def test_a_name_that_is_no_name_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError, match="the network's name is invalid"):
            register_network(name, TinyUNet)

    def test_an_unknown_name_says_what_is_known_and_how_to_register(self) -> None:
        with pytest.raises(UsageError, match=rf"(?s)miniseg-83k.*{NAME}.*register_network.*docs/networks\.md"):
            build_network("nobody")

    @pytest.mark.parametrize(("in_channels", "classes"), [(0, 2), (3, 1), (3, 256), (10**9, 2)])
    def test_shapes_that_no_network_has_are_refused(self, in_channels: int, classes: int) -> None:
        with pytest.raises(UsageError, match="has this shape"):
            build_network(NAME, in_channels, classes)

    @pytest.mark.usefixtures("clean_registry")
    def test_what_is_no_module_is_refused(self) -> None:
        register_network("mine", lambda in_channels, classes: "a network")  # type: ignore[arg-type, return-value]
        with pytest.raises(UsageError, match=r"a torch\.nn\.Module, got str"):
            build_network("mine")


class TestEntryPoints:
    def test_an_installed_package_is_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        install(tmp_path, "mine = mine_networks:build", monkeypatch)
        (tmp_path / "mine_networks.py").write_text(
            "from torch import nn\ndef build(i, c):\n    return nn.Conv2d(i, c, 1)\n"
        )
        assert "mine" in network_names()
        assert isinstance(build_network("mine"), RegisteredNetwork)

    @pytest.mark.parametrize("value", ["no_such_module_here:build", "torch.nn:NoSuchLayer"])
    def test_one_that_cannot_be_imported_says_why(
        self, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install(tmp_path, f"mine = {value}", monkeypatch)
        with pytest.raises(UsageError, match=r"mine of miniseg_edge\.networks cannot be imported"):
            build_network("mine")

    def test_two_packages_of_one_name_are_not_chosen_between(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for package in ("one", "two"):
            install(tmp_path / package, "mine = torch.nn:Conv2d", monkeypatch, package)
        with pytest.raises(UsageError, match="several packages register mine"):
            build_network("mine")


def install(folder: Path, entry_point: str, monkeypatch: pytest.MonkeyPatch, package: str = "mine") -> None:
    """What pip leaves of a package: its metadata in a folder on the path."""
    metadata = folder / f"{package}_package-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[miniseg_edge.networks]\n{entry_point}\n")
    monkeypatch.syspath_prepend(folder)


class TestCheckpoints:
    def test_network_and_weights_come_back(self, path: Path) -> None:
        found = checkpoint_from_file(path)
        assert (found.identity.name, found.identity.in_channels, found.identity.classes) == (NAME, 3, 4)
        assert (found.architecture, found.statistics) == (None, STATISTICS)
        again = stored(found.network()).state_dict()
        for key, tensor in torch.load(path, weights_only=True)["state_dict"].items():
            torch.testing.assert_close(again[key], tensor, rtol=0, atol=0)

    @pytest.mark.usefixtures("clean_registry")
    def test_names_that_look_like_a_trainers_are_kept(self, tmp_path: Path) -> None:
        register_network("mine", lambda i, c: nn.Sequential(OrderedDict(module=nn.Conv2d(i, c, 1))))
        save_checkpoint(build_network("mine"), STATISTICS, tmp_path / "mine.pth")
        assert list(checkpoint_from_file(tmp_path / "mine.pth").state) == ["module.weight", "module.bias"]

    @pytest.mark.usefixtures("clean_registry")
    def test_a_layer_with_two_names_is_stored_once(self, tmp_path: Path) -> None:
        """As MONAI's DynUNet has it; training lays weights out with the channels last."""

        def build(in_channels: int, classes: int) -> nn.Module:
            network = nn.Sequential(OrderedDict(wide=nn.Conv2d(in_channels, 256, 3), last=nn.Conv2d(256, classes, 3)))
            network.again = network.wide
            return network

        register_network("twice", build)
        network = build_network("twice", 64).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        save_checkpoint(network, STATISTICS, tmp_path / "twice.pth")
        assert (tmp_path / "twice.pth").stat().st_size < 1.5 * network.module.wide.weight.nbytes
        state = checkpoint_from_file(tmp_path / "twice.pth").state
        assert torch.equal(state["again.weight"], network.module.wide.weight)

    def test_what_could_not_be_read_again_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        check_storable(build_network(NAME))
        monkeypatch.setattr(checkpoint, "MAX_CHECKPOINT_BYTES", checkpoint.MAX_TRAINING_BYTES + 999)
        with pytest.raises(UsageError, match="too large for a checkpoint"):
            check_storable(build_network(NAME))

    def test_a_miniseg_says_which_it_is(self, tmp_path: Path) -> None:
        save_checkpoint(build_network("miniseg-83k", 1, 3), STATISTICS, tmp_path / "own.pth")
        identity = checkpoint_from_file(tmp_path / "own.pth").identity
        assert (identity.name, identity.in_channels, identity.classes) == ("miniseg-83k", 1, 3)

    def test_a_network_that_is_not_registered_is_refused(self, path: Path) -> None:
        with pytest.raises(CheckpointError, match=r"got 'os\.system'\. Call register_network"):
            checkpoint_from_file(edited(path, network="os.system"))

    @pytest.mark.parametrize("wrong", [{"network": 3}, {"in_channels": "3"}, {"classes": 2.0}, {"classes": True}])
    def test_a_name_that_is_none_is_refused(self, path: Path, wrong: dict[str, object]) -> None:
        with pytest.raises(CheckpointError, match="does not name its network"):
            checkpoint_from_file(edited(path, **wrong))

    @pytest.mark.parametrize("wrong", [{"classes": 10**6}, {"in_channels": 0}])
    def test_absurd_shapes_are_refused(self, path: Path, wrong: dict[str, object]) -> None:
        with pytest.raises(CheckpointError, match="has this shape"):
            checkpoint_from_file(edited(path, **wrong))

    def test_other_shapes_than_the_network_has_are_refused(self, path: Path) -> None:
        with pytest.raises(CheckpointError, match=r"head\.weight has a wrong shape"):
            checkpoint_from_file(edited(path, classes=3))

    def test_keys_of_another_network_are_listed(self, path: Path) -> None:
        wrong = {"state_dict": {"first.weight": torch.zeros(1)}}
        with pytest.raises(CheckpointError, match=rf"(?s)not {NAME}'s.*down\.0\.weight.*first\.weight"):
            checkpoint_from_file(edited(path, **wrong))

    def test_weights_that_are_not_finite_are_refused(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)["state_dict"]
        state["head.bias"][0] = float("inf")
        with pytest.raises(CheckpointError, match=r"head\.bias is not finite"):
            checkpoint_from_file(edited(path, state_dict=state))

    def test_a_pickled_module_is_refused_all_the_same(self, path: Path) -> None:
        with pytest.raises(UnsafeCheckpointError):
            checkpoint_from_file(edited(path, network=TinyUNet(3, 2)))

    def test_errors_name_what_is_wrong_in_one_line(self, path: Path) -> None:
        with pytest.raises(MiniSegError) as caught:
            checkpoint_from_file(edited(path, network="x\ny" * 100))
        assert "\n" not in str(caught.value)
