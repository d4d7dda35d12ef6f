"""A training from start to finish: labelled slices in, a checkpoint per fold out, with its history."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.bundle.training_record import TRAINING_SCHEMA_VERSION, Selection, Slices, TrainingRecord
from miniseg_edge.console import terminal
from miniseg_edge.errors import OutputExistsError, UsageError
from miniseg_edge.host.dependencies import versions
from miniseg_edge.host.files import replace_file
from miniseg_edge.training.checkpoint import checkpoint_from_file, save_checkpoint
from miniseg_edge.training.data.folds import Fold
from miniseg_edge.training.data.samples import Sample, training_statistics
from miniseg_edge.training.history import Entry, History, best_of, curves_png, sparkline
from miniseg_edge.training.networks.segmentation_network import SegmentationNetwork
from miniseg_edge.training.prediction import scores_of
from miniseg_edge.training.request import TrainingRequest
from miniseg_edge.training.start import Start
from miniseg_edge.training.state import STATE_NAME, StateFile
from miniseg_edge.training.trainer import Epoch, OnIteration, Trainer

CHECKPOINT_NAME, HISTORY_NAME, CURVES_NAME = "checkpoint.pth", "history.json", "curves.png"
PICTURE_EVERY_S = 10.0
"""The curves are redrawn after this many seconds, and at the end."""


@dataclass(frozen=True)
class Trained:
    """One fold's result: the path of its checkpoint, and its record."""

    fold: int
    checkpoint: Path
    record: TrainingRecord


def train_fold(request: TrainingRequest, start: Start, fold: Fold, folder: Path) -> Trained:
    """Trains one fold in a folder, or resumes the training there, or finds it finished.

    Raises:
        OutputExistsError: the folder contains another training.
        OutputError: disk full or no permission; files already written remain.
        InputError, UsageError, NumericError: see `Trainer`.
    """
    run = FoldRun(request, start, fold, folder)
    if (done := run.finished()) is not None:
        terminal.say(f"fold {fold.number}: {folder / CHECKPOINT_NAME} is done already")
        return done
    return run.run()


class FoldRun:
    """One fold's training with its files."""

    def __init__(self, request: TrainingRequest, start: Start, fold: Fold, folder: Path) -> None:
        self._request, self._start, self._fold, self._folder = request, start, fold, folder
        self._network = start.network()
        self._statistics = training_statistics([sample.image for sample in fold.training])
        self._record = self._unfinished_record()
        self._state = StateFile(folder / STATE_NAME, _fingerprint(self._record))
        self._steps = request.recipe.epoch_iterations(len(fold.training))
        self._entries: tuple[Entry, ...] = ()
        self._kept: dict[str, Tensor] | None = None
        self._drawn_at = time.monotonic()

    def finished(self) -> Trained | None:
        """The result, if this training was finished here. Raises: OutputExistsError for another training."""
        path = self._folder / CHECKPOINT_NAME
        if not path.exists():
            return None
        record = checkpoint_from_file(path).training
        if record is not None and _fingerprint(record) == self._state.fingerprint:
            return Trained(self._fold.number, path, record)
        if not self._request.overwrite:
            raise OutputExistsError(
                f"{path} exists and belongs to another training",
                expected="the same data, recipe and seed, or an empty folder",
                got="others",
                remedy="Choose another --output or add --overwrite.",
            )
        return None

    def run(self) -> Trained:
        """Trains to the end."""
        trainer = Trainer(
            self._network, self._fold.training, self._statistics, self._request.recipe, seed=self._request.seed
        )
        self._restore(trainer)
        with terminal.counted(
            f"fold {self._fold.number}: iterations", self._request.recipe.epochs * self._steps
        ) as bar:
            while not trainer.done:
                self._epoch(trainer, bar)
        return self._written()

    def _epoch(self, trainer: Trainer, progress: OnIteration) -> None:
        began, before = time.monotonic(), len(trainer.epochs) * self._steps
        epoch = trainer.run_epoch(lambda done, _: progress(before + done, self._request.recipe.epochs * self._steps))
        self._note(epoch, began)
        self._keep(trainer)

    def _restore(self, trainer: Trainer) -> None:
        state = self._state.read(overwrite=self._request.overwrite)
        if state is None:
            return
        trainer.restore(state["trainer"])
        self._entries = tuple(Entry(**entry) for entry in state["entries"])
        self._kept = state["kept"]
        terminal.say(f"fold {self._fold.number}: resuming after epoch {len(trainer.epochs)}")

    def _note(self, epoch: Epoch, began: float) -> None:
        """Validates, and prints progress."""
        mean_iou = dice = None
        if self._fold.held_out:
            side = self._request.recipe.size
            scores = scores_of(self._network, self._fold.held_out, self._statistics, (side, side))
            mean_iou, dice = scores.mean_iou, scores.dice_mean
        taken = time.monotonic() - began
        entry = Entry(epoch.number, epoch.loss, epoch.learning_rate, mean_iou, dice, taken)
        self._entries = (*self._entries, entry)
        if self._request.selecting == "best" and best_of(self._entries) == entry:
            self._kept = _copied(self._network)
        terminal.say(f"fold {self._fold.number}  {_line(self._entries, self._request.recipe.epochs)}")

    def _keep(self, trainer: Trainer) -> None:
        """Writes the state, so that a kill costs at most an epoch; and occasionally the curves."""
        entries = [asdict(entry) for entry in self._entries]
        self._state.write({"trainer": trainer.state(), "entries": entries, "kept": self._kept})
        if time.monotonic() - self._drawn_at > PICTURE_EVERY_S:
            self._draw(None)

    def _draw(self, kept: int | None) -> None:
        history = History(self._entries)
        replace_file(self._folder / HISTORY_NAME, json_from_record(history).encode())
        replace_file(self._folder / CURVES_NAME, curves_png(history, kept))
        self._drawn_at = time.monotonic()

    def _written(self) -> Trained:
        """Writes the checkpoint last: if it exists, everything else does."""
        kept = best_of(self._entries) if self._request.selecting == "best" else self._entries[-1]
        if self._kept is not None:
            self._network.load_state_dict(self._kept)
        selection = Selection(kept.epoch, self._request.selecting, kept.loss, kept.mean_iou, kept.dice)
        duration_s = sum(entry.duration_s for entry in self._entries)
        record = replace(self._record, selection=selection, duration_s=duration_s)
        self._draw(kept.epoch)
        path = self._folder / CHECKPOINT_NAME
        save_checkpoint(self._network, self._statistics, path, record)
        self._state.remove()
        return Trained(self._fold.number, path, record)

    def _unfinished_record(self) -> TrainingRecord:
        request, fold = self._request, self._fold
        return TrainingRecord(
            schema_version=TRAINING_SCHEMA_VERSION,
            network=self._start.name,
            seed=request.seed,
            recipe=request.recipe,
            initial=self._start.initial,
            window=request.window if self._start.from_hu else None,
            separate_channels=request.separate_channels,
            labels=request.mapping.named,
            training=slices_record(fold.training),
            held_out=slices_record(fold.held_out) if fold.held_out else None,
            selection=Selection(0, request.selecting, 0.0, None, None),
            device=self._start.device.type,
            duration_s=0.0,
            tools=versions(("miniseg-edge", "torch", "numpy", "opencv-python", "opencv-python-headless", "monai")),
        )


def slices_record(samples: Sequence[Sample]) -> Slices:
    """A checkpoint's record of a set of slices."""
    digest = hashlib.sha256("".join(sorted(sample.sha256 for sample in samples)).encode()).hexdigest()
    return Slices(len(samples), len({sample.group for sample in samples}), digest)


def check_held_apart(fold: Fold) -> None:
    """Warns if slices are both trained on and validated on, under two names."""
    known = {sample.sha256 for sample in fold.training}
    if twice := [sample.name for sample in fold.held_out if sample.sha256 in known]:
        terminal.warn(f"{len(twice)} held-out slices are also trained on, such as {twice[0]}: scores are optimistic")


def _fingerprint(record: TrainingRecord) -> str:
    """Everything that a training depends on: its record without results, machine and tool versions."""
    rule = Selection(0, record.selection.rule, 0.0, None, None)
    plain = replace(record, selection=rule, duration_s=0.0, device="", tools={})
    return hashlib.sha256(json_from_record(plain).encode()).hexdigest()


def _line(entries: Sequence[Entry], epochs: int) -> str:
    """The last epoch in one line, with the curves so far."""
    last = entries[-1]
    text = f"epoch {last.epoch:>{len(str(epochs))}}/{epochs}  {last.duration_s:5.1f} s"
    text += f"  loss {last.loss:.4f} {sparkline([entry.loss for entry in entries])}"
    if last.mean_iou is None or last.dice is None:
        return text
    return f"{text}  mIoU {last.mean_iou:.4f} {sparkline([e.mean_iou or 0.0 for e in entries])}  Dice {last.dice:.4f}"


def _copied(network: SegmentationNetwork) -> dict[str, Any]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}


def chosen_device(name: str) -> torch.device:
    """The device by name; "auto" is CUDA if available. Raises: UsageError if the device does not exist."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"{name} is not a device here", expected="auto, cpu, or cuda with a GPU", because=type(error).__name__
        ) from error
    return device
