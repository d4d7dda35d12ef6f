"""Checkpoints: reads untrusted trained weights, and writes our own.

A checkpoint is treated as hostile: it is read once, hashed, and only unpickled with `weights_only=True`, so that a
pickle with code in it is refused rather than run.
"""

import hashlib
import io
import math
import pickle
import re
import reprlib
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from miniseg_edge.architecture import Architecture, preset_name
from miniseg_edge.bundle.records import json_from_record, object_from_json, record_from_object
from miniseg_edge.bundle.training_record import TrainingRecord
from miniseg_edge.errors import CheckpointError, StatisticsError, UnsafeCheckpointError, UsageError
from miniseg_edge.host.dependencies import check_floor
from miniseg_edge.host.files import bytes_from_file, replace_file
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.networks.miniseg import MiniSeg
from miniseg_edge.training.networks.registry import NetworkIdentity, RegisteredNetwork, build_network, stored
from miniseg_edge.training.networks.segmentation_network import SegmentationNetwork

MAX_CHECKPOINT_BYTES = 256 * 2**20
"""Limit for a checkpoint, packed and unpacked; the published ones have 0.4 MB."""

MAX_NUMBERS = MAX_CHECKPOINT_BYTES // 2
"""Limit for all tensors together: a few stored bytes can be expanded to any size."""

MAX_TRAINING_BYTES = 2**20
"""Limit for the record of a training run, which a bundle's manifest contains."""

_WRAPPERS = ("state_dict", "model")
_BEGINNINGS = (b"PK\x03\x04", b"\x80")
"""Of what torch.save writes: an archive, or, long ago, a pickle."""

_LISTED_KEYS = 12
_SHOWN_KEY = 100


@dataclass(frozen=True)
class Checkpoint:
    """Trained weights and their metadata.

    Attributes:
        state: parameters and buffers by name, float32 on the CPU (counters int64), all finite.
        identity: which network it is.
        architecture: a MiniSeg's, inferred from the shapes; None for another network.
        auxiliary: whether a MiniSeg's training heads are included.
        statistics: normalisation saved with the weights, or None.
        training: the training record, or None.
        sha256: of the file, hex.
        name: file name without its folder.
    """

    state: Mapping[str, Tensor]
    identity: NetworkIdentity
    architecture: Architecture | None
    auxiliary: bool
    statistics: Statistics | None
    training: TrainingRecord | None
    sha256: str
    name: str

    def network(self) -> MiniSeg | RegisteredNetwork:
        """A new network with these weights, in eval mode."""
        network = _network(self.identity, self.architecture, self.auxiliary)
        stored(network).load_state_dict(dict(self.state), strict=True)
        return network.eval()


def checkpoint_from_file(path: Path) -> Checkpoint:
    """Reads a `.pth` file: a state dict, directly or under "state_dict" or "model", with or without `module.`.

    It is a MiniSeg's unless it contains "network", "in_channels" and "classes": then that network is built from the
    registry.

    Raises:
        UnsafeCheckpointError: the pickle contains code, or the file contains no state dict.
        CheckpointError: unreadable, too large, non-finite, of an unregistered network, or not its weights (keys are
            listed).
        StatisticsError: statistics are included but invalid.
        OutdatedDependencyError: this version of torch has known vulnerabilities.
    """
    check_floor("torch")
    data = bytes_from_file(path, MAX_CHECKPOINT_BYTES, CheckpointError)
    content = _unpickled(data, path.name)
    identity = _named(content, path.name)
    state = _state(content, path.name, "module." if identity is None else "")
    architecture, auxiliary = None, False
    if identity is None:
        architecture, auxiliary = _inferred(state)
        identity = NetworkIdentity(preset_name(architecture), architecture.in_channels, architecture.classes)
    _check_keys(
        state, _wanted(identity, architecture, auxiliary), identity.name if architecture is None else "a MiniSeg"
    )
    return Checkpoint(
        state=state,
        identity=identity,
        architecture=architecture,
        auxiliary=auxiliary,
        statistics=_statistics(content),
        training=_training(content),
        sha256=hashlib.sha256(data).hexdigest(),
        name=path.name,
    )


def save_checkpoint(
    network: SegmentationNetwork, statistics: Statistics, path: Path, training: TrainingRecord | None = None
) -> None:
    """Writes weights with their statistics and their network's name, so that an export needs nothing else. Atomic."""
    state = _each_once(stored(network).state_dict())
    content: dict[str, Any] = {"state_dict": state, "statistics": {"mean": statistics.mean, "std": statistics.std}}
    if isinstance(network, RegisteredNetwork):
        content |= {
            "network": network.identity.name, "in_channels": network.in_channels, "classes": network.classes
        }  # fmt: skip
    if training is not None:
        content["training"] = json_from_record(training)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    replace_file(path, buffer.getvalue())


def check_storable(network: SegmentationNetwork) -> None:
    """Refuses before a training what could not be read back after it. Raises: UsageError."""
    kept = _each_once(stored(network).state_dict()).values()
    size = sum({tensor.data_ptr(): tensor.nbytes for tensor in kept}.values())
    if size > MAX_CHECKPOINT_BYTES - MAX_TRAINING_BYTES:
        wanted = f"at most {MAX_CHECKPOINT_BYTES} bytes"
        raise UsageError("the network is too large for a checkpoint", expected=wanted, got=f"{size} bytes of weights")


def _each_once(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous, on the CPU. Shared tensors stay shared: copies would be stored twice."""
    made: dict[tuple[object, ...], Tensor] = {}
    keys = {name: (tensor.data_ptr(), tensor.shape, tensor.stride()) for name, tensor in state.items()}
    for name, tensor in state.items():
        if keys[name] not in made:
            made[keys[name]] = tensor.detach().cpu().contiguous()
    return {name: made[key] for name, key in keys.items()}


def _network(
    identity: NetworkIdentity, architecture: Architecture | None, auxiliary: bool
) -> MiniSeg | RegisteredNetwork:
    if architecture is not None:
        return MiniSeg(architecture, auxiliary=auxiliary)
    return build_network(identity.name, identity.in_channels, identity.classes)


def _named(content: object, name: str) -> NetworkIdentity | None:
    """The network named in a checkpoint, looked up in the registry; None for a MiniSeg."""
    if not isinstance(content, Mapping) or not {"network", "in_channels", "classes"} <= content.keys():
        return None
    found = (content["network"], content["in_channels"], content["classes"])
    if [type(value) for value in found] != [str, int, int]:
        raise CheckpointError(
            f"{name} does not name its network", expected="a name, channels and classes", got=repr(found)[:80]
        )
    return NetworkIdentity(*found)


def _wanted(identity: NetworkIdentity, architecture: Architecture | None, auxiliary: bool) -> Mapping[str, Tensor]:
    """The state dict of a network of this shape; a MiniSeg's without allocating memory."""
    if architecture is not None:
        with torch.device("meta"):
            return MiniSeg(architecture, auxiliary=auxiliary).state_dict()
    try:
        return stored(_network(identity, architecture, auxiliary)).state_dict()
    except UsageError as error:
        raise CheckpointError(error.problem, **error.details) from error


def _unpickled(data: bytes, name: str) -> object:
    _check_unpacked_size(data, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about old formats; what matters is raised below
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not data.startswith(_BEGINNINGS):
            raise CheckpointError(
                f"{name} is not a checkpoint", expected="a file written by torch.save", got="a file of another kind"
            ) from error
        raise UnsafeCheckpointError(
            f"{name} cannot be read as plain tensors",
            expected="a state dict that torch.load(weights_only=True) accepts",
            because=_unsafe(error),
            remedy="Do not open this file with other tools. Ask its sender for torch.save(model.state_dict(), path).",
        ) from error
    except Exception as error:  # torch raises many exception types for a broken file; all mean the same
        raise CheckpointError(
            f"{name} is not a readable checkpoint",
            expected="a file written by torch.save",
            because=_first_line(error),
            remedy="It may be truncated: compare its size and hash with the original.",
        ) from error


def _check_unpacked_size(data: bytes, name: str) -> None:
    try:
        if not zipfile.is_zipfile(io.BytesIO(data)):
            return
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{name} is a broken archive", expected="a file written by torch.save", because=str(error)
        ) from error
    if size > MAX_CHECKPOINT_BYTES:
        raise CheckpointError(
            f"{name} unpacks to too many bytes", expected=f"at most {MAX_CHECKPOINT_BYTES} bytes", got=f"{size} bytes"
        )


def _unsafe(error: pickle.UnpicklingError) -> str:
    """What else is in the file. torch's own text advises to load it regardless, which would run its code."""
    found = re.search(r"GLOBAL ([\w.]{1,100})", str(error))
    return f"it refers to {found[1]}" if found else "it contains other objects"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _state(content: object, name: str, prefix: str) -> dict[str, Tensor]:
    found: Any = content
    if isinstance(found, Mapping):
        for wrapper in _WRAPPERS:
            if isinstance(found.get(wrapper), Mapping):
                found = found[wrapper]
                break
    if not isinstance(found, Mapping) or not found:
        raise UnsafeCheckpointError(
            f"{name} contains no state dict",
            expected="a mapping from parameter names to tensors",
            got=type(found).__name__,
        )
    if (numbers := sum(value.numel() for value in found.values() if isinstance(value, Tensor))) > MAX_NUMBERS:
        raise CheckpointError(f"{name} is too large", expected=f"at most {MAX_NUMBERS} numbers", got=f"{numbers}")
    state: dict[str, Tensor] = {}
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise UnsafeCheckpointError(
                f"{name} contains something other than tensors",
                expected="tensors by name",
                got=f"{type(value).__name__} at {reprlib.repr(key)}",
            )
        state[key.removeprefix(prefix)] = _plain(key, value)
    return state


def _plain(key: str, tensor: Tensor) -> Tensor:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
        raise CheckpointError(f"{key} is not a plain tensor", expected="a dense real tensor", got=str(tensor.dtype))
    if not tensor.is_floating_point():
        return tensor.to(torch.int64).contiguous()
    tensor = tensor.to(torch.float32).contiguous()
    if not bool(torch.isfinite(tensor).all()):
        raise CheckpointError(
            f"{key} is not finite", expected="finite weights", got="NaN or infinity", remedy="Train again."
        )
    return tensor


def _inferred(state: Mapping[str, Tensor]) -> tuple[Architecture, bool]:
    """Architecture and presence of auxiliary heads, inferred from names and shapes only."""
    shapes = {stage: _shape(state, f"long{stage}.conv0.weight", 4) for stage in (1, 2, 3, 4)}
    channels = tuple(shapes[stage][0] for stage in (1, 2, 3, 4))
    depths = tuple(_depth(state, f"level{stage}") for stage in (1, 2, 3, 4))
    long_depths = tuple(_depth(state, f"level{stage}_long") for stage in (1, 2, 3, 4))
    classes = _shape(state, "pred1.1.weight", 4)[0]
    in_channels = shapes[1][1]
    try:
        architecture = Architecture(
            (channels[0], channels[1], channels[2], channels[3]),
            (depths[0], depths[1], depths[2], depths[3]),
            (long_depths[0], long_depths[1], long_depths[2], long_depths[3]),
            classes,
            in_channels,
        )
    except ValueError as error:
        raise CheckpointError(
            "the shapes are not a MiniSeg's", expected="a MiniSeg checkpoint", because=str(error)
        ) from error
    return architecture, any(key.startswith(("pred2.", "pred3.", "pred4.")) for key in state)


def _shape(state: Mapping[str, Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    if key not in state:
        wanted = _wanted(NetworkIdentity("MiniSeg", 3, 2), Architecture(), auxiliary=True)
        raise _key_error(*_key_differences(state, wanted), "a MiniSeg")
    shape = tuple(state[key].shape)
    if len(shape) != dimensions:
        raise CheckpointError(f"{key} has a wrong shape", expected=f"{dimensions} dimensions", got=str(shape))
    return shape


def _depth(state: Mapping[str, Tensor], level: str) -> int:
    pattern = re.compile(rf"{level}\.(\d{{1,6}})\.")
    indices = {int(match[1]) for key in state if (match := pattern.match(key))}
    return max(indices, default=-1) + 1


def _check_keys(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], network: str) -> None:
    missing, unexpected = _key_differences(state, wanted)
    if missing or unexpected:
        raise _key_error(missing, unexpected, network)
    for key, tensor in wanted.items():
        if state[key].shape != tensor.shape:
            raise CheckpointError(
                f"{key} has a wrong shape", expected=str(tuple(tensor.shape)), got=str(tuple(state[key].shape))
            )


def _key_differences(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> tuple[list[str], list[str]]:
    return [key for key in wanted if key not in state], [key for key in state if key not in wanted]


def _key_error(missing: list[str], unexpected: list[str], network: str) -> CheckpointError:
    return CheckpointError(
        f"the keys are not {network}'s",
        expected="the names of its state dict",
        got=f"{len(missing)} missing ({_listed(missing)}) and {len(unexpected)} unexpected ({_listed(unexpected)})",
        remedy=(
            "Export the state dict of the network itself, without the trainer around it. "
            "Save networks other than MiniSeg with save_checkpoint, which records their name."
        ),
    )


def _listed(keys: list[str]) -> str:
    shown = ", ".join(key[:_SHOWN_KEY] for key in keys[:_LISTED_KEYS]) or "none"
    return f"{shown} and {len(keys) - _LISTED_KEYS} more" if len(keys) > _LISTED_KEYS else shown


def _statistics(content: object) -> Statistics | None:
    found = content.get("statistics") if isinstance(content, Mapping) else None
    if found is None:
        return None
    if not isinstance(found, Mapping) or not all(_is_number(found.get(key)) for key in ("mean", "std")):
        raise StatisticsError(
            "the checkpoint's statistics are unusable",
            expected='{"mean": number, "std": number}',
            got=reprlib.repr(found)[:80],
        )
    return Statistics(float(found["mean"]), float(found["std"]))


def _training(content: object) -> TrainingRecord | None:
    """The record of the training, which is passed on to a bundle's manifest."""
    found = content.get("training") if isinstance(content, Mapping) else None
    if found is None:
        return None
    what = "the checkpoint's training record"
    if not isinstance(found, str) or len(found) > MAX_TRAINING_BYTES:
        got = f"{len(found)} characters" if isinstance(found, str) else type(found).__name__
        raise CheckpointError(
            f"{what} is unusable", expected=f"at most {MAX_TRAINING_BYTES} characters of JSON", got=got
        )
    try:
        data = object_from_json(found.encode("utf-8", "surrogatepass"), what, CheckpointError)
        return record_from_object(TrainingRecord, data, what, CheckpointError)
    except UsageError as error:  # figures that are invalid in a recipe
        raise CheckpointError(f"{what} is invalid", expected="a recipe's figures", because=str(error)) from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
