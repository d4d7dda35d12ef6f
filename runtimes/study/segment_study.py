"""Runs a CT study through a Segmenter: what `miniseg-segment` does with DICOM and NIfTI."""

from collections.abc import Callable, Iterator

import numpy as np

from miniseg_edge.console import terminal
from miniseg_edge.errors import (
    HostLimitError,
    InferenceError,
    IntegrityError,
)
from miniseg_edge.host.limits import host_limits
from miniseg_edge.host.neighbours import CHANNELS as NEIGHBOURS
from miniseg_edge.host.neighbours import with_neighbours
from miniseg_edge.runtimes.segmenter.demo_network import DEMO_REMARK, is_demo
from miniseg_edge.runtimes.segmenter.segmentation import UNVERIFIED_CODE
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.study.segmented import SegmentedStudy
from miniseg_edge.runtimes.study.unfinished import Done, Drawing
from miniseg_edge.slices import hu_values
from miniseg_edge.slices.preprocessing import ByteArray, FloatArray
from miniseg_edge.slices.value_counts import Tally
from miniseg_edge.studies.findings import Ran, findings_from_counts, measured
from miniseg_edge.studies.study import SliceHu, Study, digest_of, summarized

EARLY = 8
"""After this many slices the values are judged for the first time, so that a long invalid study fails early."""


def drawing_of(study: Study, segmenter: Segmenter) -> Drawing:
    """The settings under which a study is segmented."""
    choice, digest = segmenter.choice, segmenter.bundle.manifest.digest
    what = (choice.entry.name, choice.device, choice.artifact.precision)
    return Drawing(digest, *what, len(study), (study.size[0], study.size[1]))


def segmented_study(
    study: Study,
    segmenter: Segmenter,
    progress: Callable[[int, int], None],
    earlier: Done | None = None,
    *,
    assume_hu: bool = False,
) -> SegmentedStudy:
    """Reads, segments and measures slice by slice, several concurrently; slices are not kept.

    Whether the values are HU is judged for all slices together, from counts (`miniseg_edge.slices.hu_values`).

    A bundle with three channels gets each slice between its neighbours. The last slice of an earlier run had a
    neighbour whose hash was not kept, so it is segmented again.

    Args:
        study: to segment.
        segmenter: that draws.
        progress: called after each slice, segmented or read again, with (done, total).
        earlier: slices that the same segmenter segmented before; they are read again, but not segmented again.
        assume_hu: accept values that do not look like HU; the findings' remarks say so.

    Raises:
        HuValuesError: the values are not HU.
        UsageError: the bundle has no window.
        IntegrityError: the first slices are not those that were segmented before.
        InferenceError, HostLimitError: its `partial` is a `Done` with the slices before the one that failed. Also
            whatever `Study.read` and `Segmenter.segment_hu` raise.
    """
    mask = np.empty((len(study), *study.size), np.uint8)
    remarks: list[tuple[str, ...]] = [()] * len(study)
    hashes = [""] * len(study)
    tally = Tally(hu_values.is_odd)
    between = segmenter.bundle.manifest.interface.channels == NEIGHBOURS
    start = done = 0 if earlier is None else max(0, len(earlier.mask) - between)

    def read_one(index: int) -> FloatArray:
        one: SliceHu = study.read(index)
        remarks[index], hashes[index] = one.remarks, one.sha256
        tally.add(index, one.voxels_hu)
        return one.voxels_hu

    read = with_neighbours(read_one, len(study)) if between else read_one

    def masks() -> Iterator[ByteArray]:
        nonlocal done
        if earlier is not None:
            mask[:start] = earlier.mask[:start]
            for index, drawn in enumerate(earlier.input_sha256):
                read_one(index)
                if hashes[index] != drawn:
                    raise IntegrityError(
                        f"slice {index} is not the slice that was segmented", expected=drawn, got=hashes[index]
                    )
                progress(min(index + 1, start), len(study))
        yield from mask[:start]
        for result in segmenter.segment_read_hu(read, range(start, len(study)), judged=True):
            mask[done] = result.mask
            done += 1
            if done == start + EARLY and not assume_hu:
                _check_early(tally, len(study), read_one)
            progress(done, len(study))
            yield mask[done - 1]

    try:
        with host_limits():
            counts = measured(masks())
            about_values = hu_values.checked(tally.total, assume_hu=assume_hu)
    except (InferenceError, HostLimitError) as error:
        error.partial = Done(mask[:done], tuple(hashes[:done]))
        raise
    choice = segmenter.choice
    ran = Ran(
        runtime=choice.entry.name,
        device=choice.device,
        precision=choice.artifact.precision,
        bundle_digest=segmenter.bundle.manifest.digest,
        input_sha256=digest_of(hashes),
        remarks=(
            *((DEMO_REMARK,) if is_demo(segmenter.bundle) else ()),
            *study.remarks,
            *summarized(remarks),
            *about_values,
            *(() if assume_hu else hu_values.odd_remarks(tally.odd)),
            *hu_values.lung_remarks(tally.total),
            *(f"passed over: {why}" for why in choice.passed_over),
            *((UNVERIFIED_CODE,) if segmenter.runs_unverified_code else ()),
        ),
    )
    return SegmentedStudy(study, mask, findings_from_counts(counts, study.geometry, ran))


def _check_early(tally: Tally, slices: int, read: Callable[[int], object]) -> None:
    """Stops if neither the first slices nor all slices together are HU. Raises: HuValuesError."""
    if hu_values.judged(tally.total).likeness is hu_values.Likeness.NOT_HU:
        for index in tally.missing(slices):
            read(index)
        hu_values.checked(tally.total)


def show(segmented: SegmentedStudy) -> None:
    """The findings in the terminal."""
    found = segmented.findings
    rows = [
        ("lesion volume", f"{found.lesion_volume_ml:.2f} ml"),
        ("lesions", f"{found.lesions}"),
        ("slices with findings", f"{len(found.slices_with_findings)} of {found.slices}"),
        ("result", "lesion" if found.finding else "no finding"),
    ]
    terminal.answer(found)
    terminal.table("Findings", ("", ""), rows)
    for remark in found.ran.remarks:
        terminal.warn(remark)
