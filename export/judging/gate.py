"""The parity gate: every artefact against the FP32 torch reference, slice by slice, through the public runtime API."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.compiled import SOURCE
from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.console import terminal
from miniseg_edge.export.judging.validation import ValidationSet
from miniseg_edge.export.tensorrt.stand_in import stand_in
from miniseg_edge.parity.comparison import ParityLimits, SliceParity, TargetParity, compare, failures
from miniseg_edge.parity.metrics import Confusion, dice
from miniseg_edge.runtimes.backends.registry import AUTO, RuntimeEntry, entries_for
from miniseg_edge.runtimes.backends.replay import replayed
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.runtimes.segmenter.segmentation import Segmentation
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.slices.preprocessing import ByteArray


class _Tally:
    """The results of one artefact so far."""

    def __init__(
        self, artifact: Artifact, segmenter: Segmenter, classes: int, limits: Mapping[str, ParityLimits]
    ) -> None:
        self.artifact = artifact
        self.segmenter = segmenter
        self.limits = limits[artifact.precision]
        self.slices: list[SliceParity] = []
        self.confusion = Confusion.empty(classes)
        self.golden_dice = 1.0

    def add(self, name: str, reference: Segmentation, label: ByteArray | None, image: ByteArray) -> None:
        result = self.segmenter.segment(image)
        found = compare(name, reference.logit_maps, result.evidence, self.limits)
        if label is not None:
            self.confusion = self.confusion.plus(result.mask, label)
            found = replace(
                found, dice_label=dice(result.mask, label), reference_dice_label=dice(reference.mask, label)
            )
        self.slices.append(found)

    def add_golden(self, bundle: Bundle) -> None:
        for found in replayed(bundle, lambda image: self.segmenter.segment(image).evidence, self.limits):
            self.golden_dice = min(self.golden_dice, found.dice)


def check_parity(
    bundle: Bundle, validation: ValidationSet, limits: Mapping[str, ParityLimits], gpu: str = ""
) -> tuple[TargetParity, ...]:
    """Compares every artefact of a (not yet written) bundle with the reference, within its precision's limits.

    Args:
        bundle: in memory.
        validation: the slices to compare on.
        limits: by precision.
        gpu: on which engines are opened, such as `cuda:1`; "" is the first GPU that supports them.

    Raises:
        InputError and its subclasses: a slice or label is unusable.
        InferenceError, NumericError: the reference itself failed, or an artefact did.
    """
    classes = bundle.manifest.network.classes
    with contextlib.ExitStack() as opened:
        reference = opened.enter_context(load(bundle, runtime="torch", device="cpu"))
        tallies = [
            _Tally(artifact, opened.enter_context(_opened(bundle, entry, artifact, gpu)), classes, limits)
            for entry in entries_for(bundle)
            for artifact in bundle.manifest.artifacts
            if artifact.target == entry.target and not entry.reference and not entry.alternative
        ]
        truth, labelled = Confusion.empty(classes), 0
        for item in terminal.track(validation.slices, "parity"):
            image, label = item.image(), item.label()
            expected = reference.segment(image)
            if label is not None:
                truth, labelled = truth.plus(expected.mask, label), labelled + 1
            for tally in tallies:
                tally.add(item.name, expected, label, image)
        for tally in tallies:
            tally.add_golden(bundle)
    return tuple(_verdict(tally, truth if labelled else None) for tally in tallies)


def _opened(bundle: Bundle, entry: RuntimeEntry, artifact: Artifact, gpu: str) -> Segmenter:
    """The artefact on its runtime's device; for an engine built ahead of time, its ONNX on ONNX Runtime."""
    if artifact.compiled is not None and artifact.compiled.judged_on == SOURCE:
        return load(stand_in(bundle, artifact), "onnxruntime", "cpu", precision=artifact.precision)
    return load(bundle, entry.name, gpu if gpu and entry.needs_gpu else AUTO, precision=artifact.precision)


def _verdict(tally: _Tally, reference: Confusion | None) -> TargetParity:
    """The verdict on an artefact; `reference` is the FP32 network against the labels, if there are any."""
    reference_mean_iou = None if reference is None else reference.mean_iou()
    mean_iou = None if reference is None else tally.confusion.mean_iou()
    return TargetParity(
        target=tally.artifact.target,
        precision=tally.artifact.precision,
        runtime=tally.segmenter.choice.entry.name,
        limits=tally.limits,
        failures=failures(tally.slices, tally.limits, mean_iou, reference_mean_iou),
        mean_iou=mean_iou,
        reference_mean_iou=reference_mean_iou,
        slices=tuple(tally.slices),
        golden_dice=tally.golden_dice,
        reference_kappa=None if reference is None else reference.kappa(),
    )
