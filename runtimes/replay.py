"""Golden slices through a runtime that is about to open: for engines that nobody has seen run."""

from collections.abc import Iterator

import numpy as np

from miniseg_edge.bundle import Bundle
from miniseg_edge.errors import ParityError
from miniseg_edge.golden import golden_image, golden_logits
from miniseg_edge.parity import ParityLimits, SliceParity, compare, failures
from miniseg_edge.preprocessing import checked_slice, network_input
from miniseg_edge.runtimes.interface import Runtime
from miniseg_edge.tensors import HU


def replay(runtime: Runtime, bundle: Bundle) -> tuple[SliceParity, ...]:
    """Runs the golden slices and compares them with the reference's stored answers.

    Raises:
        ParityError: the lesion drawn is not the reference's, within what the artefact was held to.
        InferenceError, NumericError: the runtime failed.
    """
    limits = bundle.manifest.limits(runtime.artifact)
    found = tuple(_replayed(runtime, bundle, limits))
    if broken := failures(found, limits):
        raise ParityError(
            f"{runtime.name} on {runtime.device} does not draw the reference's lesion on the golden slices",
            "the stored masks", "; ".join(broken), "Use another artefact of the bundle, and keep this one's report.",
        )  # fmt: skip
    return found


def _replayed(runtime: Runtime, bundle: Bundle, limits: ParityLimits) -> Iterator[SliceParity]:
    manifest = bundle.manifest
    window = manifest.preprocessing.window if manifest.interface.values == HU else None
    for golden in manifest.golden:
        grey, _ = checked_slice(golden_image(bundle, golden), manifest.interface.channels)
        size = (grey.shape[0], grey.shape[1])
        values = grey if window is None else window.hu_from_grey(grey)
        answer = runtime.infer(network_input(values, size))[0]
        found = answer[0] if answer.dtype == np.uint8 else answer
        yield compare(golden.name, golden_logits(bundle, golden, size), found, limits)
