"""The parity gate: every artefact against the FP32 torch reference, slice by slice, through the public runtime API."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from miniseg_edge import terminal
from miniseg_edge.bundle import Bundle
from miniseg_edge.engine_record import ONNX
from miniseg_edge.export.tensorrt.stand_in import stand_in
from miniseg_edge.export.validation import ValidationSet
from miniseg_edge.golden import golden_image, golden_logits
from miniseg_edge.manifest import Artifact
from miniseg_edge.metrics import Confusion, dice
from miniseg_edge.parity import ParityLimits, SliceParity, TargetParity, compare, failures
from miniseg_edge.preprocessing import ByteArray
from miniseg_edge.runtimes.registry import REGISTRY, RuntimeEntry
from miniseg_edge.runtimes.segmentation import Segmentation
from miniseg_edge.runtimes.segmenter import Segmenter, load


class _Tally:
    """What is known so far of one artefact."""

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
        for golden in bundle.manifest.golden:
            image = golden_image(bundle, golden)
            reference = golden_logits(bundle, golden, (image.shape[0], image.shape[1]))
            found = compare(golden.name, reference, self.segmenter.segment(image).evidence, self.limits)
            self.golden_dice = min(self.golden_dice, found.dice)


def check_parity(
    bundle: Bundle, validation: ValidationSet, limits: Mapping[str, ParityLimits]
) -> tuple[TargetParity, ...]:
    """Compares every artefact of a (not yet written) bundle with the reference, each within its precision's limits.

    Raises:
        InputError and its kin: a slice or label is unusable.
        InferenceError, NumericError: the reference itself failed, or an artefact did.
    """
    classes = bundle.manifest.network.classes
    with contextlib.ExitStack() as opened:
        reference = opened.enter_context(load(bundle, runtime="torch", device="cpu"))
        tallies = [
            _Tally(artifact, opened.enter_context(_opened(bundle, entry, artifact)), classes, limits)
            for entry in REGISTRY
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
    return tuple(_verdict(tally, truth.mean_iou() if labelled else None) for tally in tallies)


def _opened(bundle: Bundle, entry: RuntimeEntry, artifact: Artifact) -> Segmenter:
    """The artefact on its runtime's first device; for an engine built ahead of time, its ONNX on ONNX Runtime."""
    if artifact.engine is not None and artifact.engine.judged_on == ONNX:
        return load(stand_in(bundle, artifact), "onnxruntime", "cpu", precision=artifact.precision)
    return load(bundle, entry.name, precision=artifact.precision)


def _verdict(tally: _Tally, reference_mean_iou: float | None) -> TargetParity:
    mean_iou = tally.confusion.mean_iou() if reference_mean_iou is not None else None
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
    )
