"""Segments a bundle's golden slices again and compares them with the reference's stored answers."""

from collections.abc import Callable, Iterator

import numpy as np

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.golden import golden_image, golden_logits
from miniseg_edge.errors import ParityError
from miniseg_edge.parity.comparison import ParityLimits, SliceParity, compare, failures
from miniseg_edge.runtimes.backends.interface import Runtime
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray, checked_slice, network_input
from miniseg_edge.tensors import HU


def replayed(
    bundle: Bundle, drawn: Callable[[ByteArray], FloatArray | ByteArray], limits: ParityLimits
) -> Iterator[SliceParity]:
    """Segments and compares each golden slice.

    Args:
        bundle: whose golden slices.
        drawn: returns a slice's logit maps (C - 1, H, W), or its mask (H, W).
        limits: that define a near-tie.

    Raises:
        BundleError: a golden slice does not match the manifest. Also whatever `drawn` raises.
    """
    for golden in bundle.manifest.golden:
        image = golden_image(bundle, golden)
        expected = golden_logits(bundle, golden, (image.shape[0], image.shape[1]))
        yield compare(golden.name, expected, drawn(image), limits)


def replay(runtime: Runtime, bundle: Bundle) -> tuple[SliceParity, ...]:
    """Judges a runtime that is being opened, for engines that were never run on this machine.

    Raises:
        ParityError: the lesion differs from the reference's by more than the artefact's limits.
        InferenceError, NumericError: the runtime failed.
    """
    limits = bundle.manifest.limits(runtime.artifact)
    found = tuple(replayed(bundle, lambda image: _drawn(runtime, bundle, image), limits))
    if broken := failures(found, limits):
        raise ParityError(
            f"{runtime.name} on {runtime.device} does not reproduce the reference's lesion on the golden slices",
            expected="the stored masks",
            because="; ".join(broken),
            remedy="Use another artefact of the bundle, and keep the report of this one.",
        )
    return found


def _drawn(runtime: Runtime, bundle: Bundle, image: ByteArray) -> FloatArray | ByteArray:
    """With only the runtime: there is no Segmenter yet."""
    manifest = bundle.manifest
    window = manifest.preprocessing.window if manifest.interface.values == HU else None
    grey, _ = checked_slice(image, manifest.interface.channels)
    values = grey if window is None else window.hu_from_grey(grey)
    answer: FloatArray | ByteArray = runtime.infer(network_input(values, (grey.shape[0], grey.shape[1])))[0]
    mask: ByteArray = answer[0]
    return mask if answer.dtype == np.uint8 else answer
