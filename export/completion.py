"""What a checkpoint says of its training goes into its export, so that nobody need say it twice."""

from dataclasses import replace

from miniseg_edge import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.tensors import HU
from miniseg_edge.training.checkpoint import Checkpoint
from miniseg_edge.training_record import TrainingRecord


def completed(request: ExportRequest, checkpoint: Checkpoint) -> ExportRequest:
    """The request with the checkpoint's own input size, window and channels where it does not say them.

    Raises:
        UsageError: the graph is to take HU, and neither of them has a window.
    """
    found = request if checkpoint.training is None else _as_trained(request, checkpoint.training)
    if found.values == HU and found.window is None:
        raise UsageError("a graph that takes HU needs a window", "--window LOW HIGH", "none here or in the checkpoint")
    return found


def _as_trained(request: ExportRequest, training: TrainingRecord) -> ExportRequest:
    side = training.recipe.size
    found = replace(
        request,
        size=request.size or (side, side),
        window=request.window or training.window,
        separate_channels=request.separate_channels or training.separate_channels,
    )
    if found != request:
        window = f", window {found.window.low_hu:g}..{found.window.high_hu:g} HU" if found.window is not None else ""
        channels = ", separate channels" if found.separate_channels else ""
        terminal.say(f"as trained: {side} x {side}{window}{channels}")
    return found
