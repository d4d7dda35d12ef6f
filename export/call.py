"""The export as one call, with the names and defaults of `miniseg-export`."""

import os
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from miniseg_edge.bundle.signing_key import signer_asked_for
from miniseg_edge.errors import ParityError, UsageError
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.slices.preprocessing import Statistics, Window
from miniseg_edge.tensors import GREY, LOGIT

if TYPE_CHECKING:  # which needs torch
    from miniseg_edge.export.release import ExportResult

StrPath = str | os.PathLike[str]
N = TypeVar("N", int, float)
_KINDS = {float: Real, int: Integral}


def export(
    checkpoint: StrPath,
    output: StrPath,
    targets: Sequence[str] = ("native",),
    *,
    precisions: Sequence[str] | None = None,
    mean: float | None = None,
    std: float | None = None,
    window: tuple[float, float] | None = None,
    size: tuple[int, int] | None = None,
    validation: StrPath | None = None,
    labels: StrPath | None = None,
    calibration: StrPath | None = None,
    graph_input: str = GREY,
    graph_output: str = LOGIT,
    separate_channels: bool = False,
    sign: StrPath | None = None,
    overwrite: bool = False,
) -> "ExportResult":
    """Exports a checkpoint to a bundle, and compares each artefact with the FP32 network before it is released.

    Args:
        checkpoint: path of the trained weights (.pth).
        output: directory that becomes the bundle.
        targets: any of "native", "openvino", "onnx", "trt", "trt-rtx".
        precisions: any of "fp32", "fp16", "bf16", "int8"; None: each target's own.
        mean, std: of the training slices on the 0..1 scale; None: the checkpoint's own.
        window: (low, high) in HU that the bundle offers for raw CT; None: the checkpoint's own, if it has one.
        size: (height, width) of the network's input in pixels; None: as trained.
        validation, labels: folders of slices to check parity on, and of their masks; None: demo phantoms.
        calibration: folder of the slices that INT8 is fitted to.
        graph_input: "grey" or "hu". graph_output: "logit" or "mask".
        separate_channels: whether slices come with the network's own channels instead of one grey one.
        sign: path of an unencrypted private key that signs the bundle.
        overwrite: whether an existing bundle is replaced.

    Returns:
        The bundle that was written, the parity of each artefact, where the report lies, and remarks.

    Raises:
        UsageError: arguments that contradict each other or lack something.
        MissingDependencyError: without the extra `export`, or what a target needs.
        CheckpointError, StatisticsError: weights that are not their network's, or unknown normalisation.
        ParityError: an artefact is not released. Those that passed are in the bundle; if none did, there is none.
        OutputExistsError, OutputError: the bundle cannot be written.
        MiniSegError: its other kinds, from the step that fails.

    Thread-safety: one export at a time in a process. `ExportRequest` and `exporter.export_bundle` have further options.
    """
    if (mean is None) != (std is None):
        raise UsageError("the normalisation needs both mean and std", expected="both or neither", got="one of them")
    check_installed(("torch", "onnx", "onnxscript", "safetensors"), "export")
    request = ExportRequest(
        checkpoint=Path(checkpoint),
        output=Path(output),
        targets=_names("targets", targets),
        precisions=None if precisions is None else _names("precisions", precisions),
        statistics=None if mean is None else Statistics(*_pair("normalisation", (mean, std), float, "mean and std")),
        window=None if window is None else Window(*_pair("window", window, float, "(low, high) in HU")),
        size=None if size is None else _pair("size", size, int, "(height, width) in pixels"),
        validation=_path(validation),
        labels=_path(labels),
        calibration=_path(calibration),
        values=graph_input,
        result=graph_output,
        separate_channels=separate_channels,
        signer=None if sign is None else signer_asked_for(Path(sign), ask=False),
        overwrite=overwrite,
    )
    from miniseg_edge.export.exporter import export_bundle

    result = export_bundle(request)
    if failed := [one for one in result.parities if not one.passed]:
        reasons = "; ".join(f"{one.target} {one.precision}: {', '.join(one.failures)}" for one in failed)
        raise ParityError(
            "not released", expected="the reference's mask", got=reasons, remedy=f"The report is {result.report}"
        )
    return result


def _names(what: str, given: object) -> tuple[str, ...]:
    """Several names. A string is refused: it is a sequence of strings too. Raises: UsageError."""
    names = () if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    if not names or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{what} is not a list of names", expected='such as ["native"]', got=repr(given)[:200])
    return names


def _pair(what: str, given: object, number: type[N], meaning: str) -> tuple[N, N]:
    """Two numbers, which may be NumPy's. Raises: UsageError."""
    pair = tuple(given) if isinstance(given, Iterable) else ()
    if len(pair) != 2 or not all(isinstance(one, _KINDS[number]) for one in pair):
        raise UsageError(f"{what} is not a pair of numbers", expected=meaning, got=repr(given)[:200])
    return number(pair[0]), number(pair[1])


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)
