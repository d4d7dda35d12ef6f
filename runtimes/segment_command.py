"""`miniseg-segment`: slices or CT studies in, masks, overlays and findings out."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from miniseg_edge.bundle.bundle import Bundle, open_bundle
from miniseg_edge.bundle.manifest import MANIFEST_NAME
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.errors import (
    AmbiguousStudyError,
    DicomSegError,
    HostLimitError,
    InferenceError,
    InputError,
    OutputError,
    OutputExistsError,
    UnsupportedFormatError,
    UsageError,
)
from miniseg_edge.host.files import bytes_from_file, replace_file, sha256_of
from miniseg_edge.host.limits import host_limits
from miniseg_edge.plurals import number_of
from miniseg_edge.printable import printable
from miniseg_edge.runtimes.archive.command import (
    add_archive_options,
    output_from,
    refuse_archive_options,
    segment_archive_command,
)
from miniseg_edge.runtimes.options import add_opening
from miniseg_edge.runtimes.segmenter.loading import load
from miniseg_edge.runtimes.segmenter.segmentation import Segmentation
from miniseg_edge.runtimes.segmenter.segmenter import Segmenter
from miniseg_edge.runtimes.study import unfinished
from miniseg_edge.runtimes.study.formats import FORMATS, in_words, with_brought
from miniseg_edge.runtimes.study.outputs import check_outputs, outputs_of, write_results
from miniseg_edge.runtimes.study.segment_input import check_apart, kind_of, output_folder, page_of, seg_frames_of
from miniseg_edge.runtimes.study.segment_study import drawing_of, segmented_study, show
from miniseg_edge.runtimes.study.series_table import show_series
from miniseg_edge.slices.images import (
    MAX_IMAGE_BYTES,
    image_paths,
    overlay,
    png_from_pixels,
    slice_from_bytes,
    slice_from_file,
)
from miniseg_edge.studies import Study, list_series, open_study
from miniseg_edge.studies.dicom.frames import Rescale
from miniseg_edge.studies.provenance import Provenance, provenance_of, stamped_png
from miniseg_edge.studies.seg.dicom_seg import SEG_FRAMES

_SHOWN_ROWS = 40
_STUDY_OPTIONS = (
    "format",
    "seg_frames",
    "compare",
    "name_patient",
    "series",
    "phase",
    "rescale",
    "assume_hu",
    "part",
    "list",
)


@dataclass(frozen=True)
class _Job:
    """A slice and the destinations of its results."""

    image: Path
    mask: Path
    overlay: Path


@dataclass(frozen=True)
class SliceFinding:
    """What --json says of a slice: its name, its size in pixels, and whether there is a lesion."""

    slice: str
    height: int
    width: int
    lesion_pixels: int
    finding: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error (--distributed: a series failed), 2 usage."""
    return run(_parser(), arguments, _work)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="miniseg-segment",
        description="Segments CT slices (PNG or JPEG) or a CT study (DICOM, NIfTI). Of slices it writes <stem>.png "
        "(lesion 255) and <stem>_overlay.png; of a study what --format says.",
        epilog="Exit codes: 0 done, 1 error, or a series of an archive failed, 2 usage. "
        "A research model, not a medical device.",
        answers=True,
        examples=(
            "miniseg-segment bundle slices/ --output masks/",
            "miniseg-segment bundle study/ --list",
            "miniseg-segment bundle study/ --output results/ --format dicom-seg --format json",
            "miniseg-segment bundle archive/ --output results --distributed processes",
        ),
    )
    parser.add_argument("bundle", type=Path, help="directory from miniseg-export")
    parser.add_argument(
        "input",
        help="an image, a folder of images, a DICOM file or folder, or a NIfTI file; with --distributed an archive",
    )
    parser.add_argument(
        "--output", type=output_from, metavar="DIR", help="where masks and overlays go; with --distributed also a URL"
    )
    parser.add_argument(
        "--list", action="store_const", const=True, help="show a DICOM study's series, and segment nothing"
    )
    add_opening(parser)
    parser.add_argument(
        "--format",
        action="append",
        choices=tuple(FORMATS),
        help=f"of a study's results; repeatable; default: nifti and json. {in_words()}",
    )
    parser.add_argument(
        "--seg-frames",
        choices=SEG_FRAMES,
        help="slices in a DICOM SEG and captures: those with lesion, from the first to the last of them (default), all",
    )
    parser.add_argument(
        "--compare", type=Path, metavar="MASK", help="a second result (NIfTI, DICOM SEG) next to ours on the page"
    )
    parser.add_argument(
        "--name-patient", action="store_const", const=True, help="on the page, which by default does not"
    )
    parser.add_argument("--series", metavar="NUMBER", help="number or UID, as shown by --list, if there are several")
    parser.add_argument("--phase", type=int, metavar="N", help="of a time series")
    parser.add_argument(
        "--part",
        action="store_const",
        const=True,
        help="use the longest evenly spaced part of a series with a gap or two spacings",
    )
    parser.add_argument(
        "--rescale",
        type=float,
        nargs=2,
        metavar=("SLOPE", "INTERCEPT"),
        help="HU = SLOPE x stored + INTERCEPT, regardless of headers; in an archive, if DICOM headers lack them",
    )
    parser.add_argument(
        "--assume-hu",
        action="store_const",
        const=True,
        help="accept values that do not look like HU; the results say so",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace masks that are there already")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="resume after a failure: keep the masks that the same bundle and runtime made",
    )
    add_archive_options(parser)
    return parser


def _work(parsed: argparse.Namespace) -> bool | None:
    _check_order(parsed.bundle, Path(parsed.input))
    if parsed.distributed is not None:
        return segment_archive_command(parsed)
    _segment(parsed)
    return None


def _check_order(bundle: Path, source: Path) -> None:
    """Raises: UsageError if they are swapped."""
    if (source / MANIFEST_NAME).is_file() and not (bundle / MANIFEST_NAME).is_file():
        raise UsageError("the bundle comes first", expected="BUNDLE INPUT", got=f"{bundle}, and the bundle {source}")


def _segment(parsed: argparse.Namespace) -> None:
    refuse_archive_options(parsed)
    source, kind = Path(parsed.input), kind_of(Path(parsed.input))
    given = [f"--{name.replace('_', '-')}" for name in _STUDY_OPTIONS if getattr(parsed, name) not in (None, [])]
    if kind == "images" and given:
        raise UsageError(
            "these options only apply to studies", expected="DICOM or NIfTI", got=f"images and {', '.join(given)}"
        )
    if parsed.list:
        show_series(list_series(source, rescale=_rescale(parsed)))
        return
    check_apart(source, output_folder(parsed.output), kind)
    if kind == "study":
        _segment_study(parsed, source)
    else:
        _segment_images(parsed, source)


def _rescale(parsed: argparse.Namespace) -> Rescale | None:
    return (parsed.rescale[0], parsed.rescale[1]) if parsed.rescale else None


def _opened_study(parsed: argparse.Namespace, source: Path) -> Study:
    """Raises: as `open_study`; if a choice is needed, a table shows the alternatives."""
    with terminal.step("opening the study"):
        try:
            return open_study(
                source,
                series=parsed.series,
                phase=parsed.phase,
                rescale=_rescale(parsed),
                longest_part=bool(parsed.part),
            )
        except AmbiguousStudyError as error:
            ambiguous = error
    if ambiguous.series:
        show_series(ambiguous.series)
    raise ambiguous


def _segment_study(parsed: argparse.Namespace, source: Path) -> None:
    formats = with_brought(parsed.format or ("nifti", "json"))
    seg_frames = seg_frames_of(parsed.seg_frames, formats)
    study = _opened_study(parsed, source)
    check_outputs(parsed.output, formats, study, overwrite=parsed.overwrite)
    page = page_of(study, formats, parsed.compare, name_patient=bool(parsed.name_patient))
    outputs = replace(outputs_of(study, formats, seg_frames), page=page)
    if outputs.no_seg is not None:
        terminal.warn(f"{outputs.no_seg} They are written.")
    with _opened(parsed, open_bundle(parsed.bundle, trust=parsed.trust)) as segmenter:
        terminal.say(f"running {segmenter}")
        drawing = drawing_of(study, segmenter)
        earlier = unfinished.kept(parsed.output, drawing) if parsed.resume else None
        try:
            with terminal.counted("segmenting", len(study)) as progress:
                found = segmented_study(study, segmenter, progress, earlier, assume_hu=bool(parsed.assume_hu))
        except (InferenceError, HostLimitError) as error:
            unfinished.keep(parsed.output, drawing, error.partial)
            terminal.warn(
                f"{len(error.partial.mask)} of {number_of(len(study), 'slice')} are kept; "
                "--resume continues with the others"
            )
            raise
        try:
            write_results(found, segmenter, parsed.output, outputs)
            no_seg = None
        except DicomSegError as error:
            no_seg = error
    unfinished.forget(parsed.output)
    show(found.remarked(*outputs.remarks))
    written = [name for name in formats if no_seg is None or not FORMATS[name].refers_to_dicom]
    if written:
        terminal.say(f"{', '.join(written)} in {parsed.output}", "good")
    if no_seg is not None:
        raise no_seg


def _opened(parsed: argparse.Namespace, bundle: Bundle) -> Segmenter:
    with terminal.patience("opening the bundle; for a GPU an engine may be compiled, once for each driver"):
        return load(bundle, parsed.runtime, parsed.device, parsed.threads, precision=parsed.precision)


def _segment_images(parsed: argparse.Namespace, source: Path) -> None:
    jobs = _jobs(image_paths(source), parsed.output, overwrite=parsed.overwrite or parsed.resume)
    bundle = open_bundle(parsed.bundle, trust=parsed.trust)
    _check_readable(jobs, bundle.manifest.interface.channels)
    with _opened(parsed, bundle) as segmenter:
        terminal.say(f"running {segmenter}")
        left = [job for job in jobs if not _is_done(job, segmenter)] if parsed.resume else jobs
        found: list[SliceFinding] = []
        try:
            with host_limits():
                found += (_finding(job, _segmented(job, segmenter)) for job in terminal.track(left, "segmenting"))
        except (InferenceError, HostLimitError, OutputError):
            terminal.warn(
                f"{len(jobs) - len(left) + len(found)} of {len(jobs)} are done; --resume continues with the others"
            )
            raise
    terminal.answer({"output": parsed.output, "slices": found})
    rows = [_row(one) for one in found[:_SHOWN_ROWS]]
    terminal.table("Findings", ("slice", "size", "lesion pixels", "share", "finding"), rows)
    if len(found) > _SHOWN_ROWS:
        terminal.say(f"... and {len(found) - _SHOWN_ROWS} more")
    terminal.say(f"{number_of(len(found), 'mask')} and {number_of(len(found), 'overlay')} in {parsed.output}", "good")
    if len(left) < len(jobs):
        before = number_of(len(jobs) - len(left), "slice")
        terminal.say(f"{before} segmented earlier by the same bundle and runtime")


def _jobs(images: list[Path], output: Path, *, overwrite: bool) -> list[_Job]:
    """The destinations, checked before anything is written.

    Raises:
        UsageError: two results would have the same name.
        OutputExistsError, OutputError: a result already exists, or the output is a file.
    """
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is not a folder", expected="a folder, or nothing yet", got="a file")
    jobs = [_Job(p, output / f"{p.stem}.png", output / f"{p.stem}_overlay.png") for p in images]
    taken: dict[Path, Path] = {}
    for job in jobs:
        for path in (job.mask, job.overlay):
            if path in taken:
                raise UsageError(
                    "two slices have the same output file",
                    expected=path.name,
                    got=f"{taken[path].name} and {job.image.name}",
                )
            if any(path.exists() and path.samefile(image) for image in images):
                raise OutputExistsError(
                    f"{path} is an input", expected="another --output", got="the folder of the slices"
                )
            if path.exists() and not overwrite:
                raise OutputExistsError(
                    f"{path} exists", expected="a new file", remedy="Choose another --output or add --overwrite."
                )
            taken[path] = job.image
    return jobs


def _is_done(job: _Job, segmenter: Segmenter) -> bool:
    """Whether this segmenter already made this slice's mask and overlay.

    Raises:
        OutputExistsError: something else is there, which --resume must not replace.
    """
    if not job.mask.exists():
        return False
    choice, data = segmenter.choice, bytes_from_file(job.image, MAX_IMAGE_BYTES, UnsupportedFormatError)
    what = (choice.entry.name, choice.device, choice.artifact.precision)
    wanted = Provenance(segmenter.bundle.manifest.digest, *what, sha256_of(data))
    try:
        found: Provenance | None = provenance_of(job.mask)
    except UnsupportedFormatError:
        found = None
    if found != wanted:
        raise OutputExistsError(
            f"{job.mask} exists", expected="a mask by the same bundle, runtime and slice", got="another file"
        )
    return job.overlay.exists()


def _check_readable(jobs: list[_Job], channels: int) -> None:
    """Reads every slice once, so that a broken one is found before any mask is written. Raises: InputError."""
    faults = []
    for job in terminal.track(jobs, "checking slices"):
        try:
            slice_from_file(job.image, channels)
        except InputError as error:
            faults.append(error)
    if len(faults) > 1:
        details = "; ".join(str(fault) for fault in faults[:8])
        raise InputError(
            f"{len(faults)} of {number_of(len(jobs), 'slice')} are unusable",
            expected="readable grey slices",
            got=details,
        )
    if faults:
        raise faults[0]


def _segmented(job: _Job, segmenter: Segmenter) -> Segmentation:
    data = bytes_from_file(job.image, MAX_IMAGE_BYTES, UnsupportedFormatError)
    slice_ = slice_from_bytes(data, job.image.name, segmenter.bundle.manifest.interface.channels)
    result = segmenter.segment(slice_)
    for remark in result.warnings:
        terminal.warn(f"{job.image.name}: {remark}")
    two_classes = segmenter.bundle.manifest.network.classes == 2
    drawn_by = Provenance(result.bundle_digest, result.runtime, result.device, result.precision, sha256_of(data))
    pictures = {job.mask: result.mask * 255 if two_classes else result.mask, job.overlay: overlay(slice_, result.mask)}
    for path, pixels in pictures.items():
        replace_file(path, stamped_png(png_from_pixels(pixels), drawn_by))
    return result


def _finding(job: _Job, result: Segmentation) -> SliceFinding:
    height, width = result.mask.shape
    return SliceFinding(printable(job.image.name), height, width, int((result.mask > 0).sum()), result.has_finding)


def _row(one: SliceFinding) -> tuple[str, ...]:
    share = one.lesion_pixels / (one.height * one.width)
    finding = "lesion" if one.finding else "no finding"
    return one.slice, f"{one.height} x {one.width}", f"{one.lesion_pixels:,}", f"{share:.2%}", finding
