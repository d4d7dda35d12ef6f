"""The work of `miniseg-segment BUNDLE SOURCE --output DIR --distributed ...`."""

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.archive.engines.engine import EXECUTORS, PROCESSES, RAY
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting
from miniseg_edge.runtimes.archive.run import ArchiveReport, segment_archive
from miniseg_edge.runtimes.archive.storage.output import is_output_url, output_at
from miniseg_edge.runtimes.archive.work import Crew
from miniseg_edge.runtimes.backends.registry import AUTO
from miniseg_edge.runtimes.study.formats import JSON, NIFTI
from miniseg_edge.runtimes.study.segment_input import output_folder, seg_frames_of

_OPTIONS = ("workers", "gpu_workers", "ray_address", "ray_folder", "scratch", "retry_failed", "follow_links", "where")
"""Options that need --distributed."""

_OF_ONE_STUDY = ("series", "phase", "part", "list", "resume", "overwrite", "compare", "name_patient")


def add_archive_options(parser: argparse.ArgumentParser) -> None:
    """The options of an archive."""
    group = parser.add_argument_group(
        "archives", "every series below INPUT, a folder or a URL of fsspec's; the same command resumes after a kill"
    )
    group.add_argument("--distributed", choices=EXECUTORS, help="how workers are run; the results are the same")
    group.add_argument("--workers", type=int, metavar="N", help="concurrent series; default: one per core")
    group.add_argument("--gpu-workers", type=int, metavar="N", help="additionally, one per GPU (default: none)")
    group.add_argument("--ray-address", metavar="ADDRESS", help="of a cluster; default: Ray on this machine only")
    group.add_argument("--ray-folder", type=Path, metavar="DIR", help="for Ray's files; default: a temporary one")
    group.add_argument(
        "--scratch", type=Path, metavar="DIR", help="for copies of far files; default: in --output or temporary"
    )
    group.add_argument("--retry-failed", action="store_true", help="do those again that failed in an earlier run")
    group.add_argument("--follow-links", action="store_true", help="read files behind links out of the archive, too")
    group.add_argument("--where", metavar="SQL", help="only such series: \"modality = 'CT' and slices > 50\"")


def output_from(text: str) -> Path | str:
    """The value of --output: a path, or, for archives, a URL of fsspec's."""
    return text if is_output_url(text) else Path(text)


def refuse_archive_options(parsed: argparse.Namespace) -> None:
    """Raises: UsageError if an archive option was given without --distributed."""
    if isinstance(parsed.output, str):
        raise UsageError(
            "an output URL only applies to archives",
            expected=f"--distributed {'|'.join(EXECUTORS)}",
            got="--output with a URL",
        )
    if given := [f"--{name.replace('_', '-')}" for name in _OPTIONS if getattr(parsed, name) not in (None, False)]:
        raise UsageError(
            "these options only apply to archives",
            expected=f"--distributed {'|'.join(EXECUTORS)}",
            got=", ".join(given),
        )


def segment_archive_command(parsed: argparse.Namespace) -> bool:
    """Segments the archive and prints the result; returns whether no series failed. Raises: as `segment_archive`."""
    refused = [f"--{name.replace('_', '-')}" for name in _OF_ONE_STUDY if getattr(parsed, name)]
    if refused:
        raise UsageError(
            "these options only apply to one study", expected="an archive, which always resumes", got=", ".join(refused)
        )
    if parsed.distributed != RAY and (parsed.ray_address or parsed.ray_folder):
        raise UsageError(
            "--ray-address and --ray-folder need Ray", expected="--distributed ray", got=parsed.distributed
        )
    output, formats = output_folder(parsed.output), tuple(parsed.format or (NIFTI, JSON))
    with ExitStack() as bars:
        report = segment_archive(
            parsed.bundle,
            parsed.input,
            output,
            executor=parsed.distributed,
            formats=formats,
            seg_frames=seg_frames_of(parsed.seg_frames, formats),
            precision=parsed.precision,
            threads=parsed.threads or 1,
            rescale=tuple(parsed.rescale) if parsed.rescale else None,
            assume_hu=bool(parsed.assume_hu),
            trust=parsed.trust,
            scratch=parsed.scratch,
            ray=RaySetting(parsed.ray_address, parsed.ray_folder),
            retry_failed=parsed.retry_failed,
            follow_links=parsed.follow_links,
            where=parsed.where,
            progress=_Shown(bars),
            **_who(parsed),
        )
    show_archive(report)
    terminal.answer(report)
    place = output_at(output)
    terminal.say(f"rows in {place.label('rows')}, results in {place.label('series')}", "good")
    return report.failed == 0


def show_archive(report: ArchiveReport) -> None:
    """Prints the summary of a run."""
    rows = [
        ("series", f"{report.series:,}"),
        ("left out by --where", f"{report.left_out:,}"),
        ("done", f"{report.done:,}"),
        ("skipped, no CT", f"{report.skipped:,}"),
        ("failed", f"{report.failed:,}"),
        *((f"  {code}", f"{count:,}") for code, count in report.errors),
        ("of these by earlier runs", f"{report.earlier:,}"),
        ("files, of which headers were read now", f"{report.files:,}, {report.headers:,}"),
        ("files of no series", f"{report.other_files:,}"),
        ("links out of the archive, not followed", f"{report.links_out:,}"),
        ("slices in this run", f"{report.slices:,}"),
        ("slices a second", f"{report.slices / report.segment_s:.1f}"),
    ]
    terminal.table("Archive", ("", ""), rows)


def _who(parsed: argparse.Namespace) -> dict[str, Any]:
    """The crews: CPU workers, and GPU workers next to them."""
    if not parsed.gpu_workers:
        return {"workers": parsed.workers, "runtime": parsed.runtime, "device": parsed.device}
    if parsed.device != AUTO or parsed.distributed not in (RAY, PROCESSES):
        raise UsageError(
            "--gpu-workers cannot be combined with --device",
            expected="no --device, and Ray or processes",
            got=parsed.device,
        )
    cpus: tuple[Crew, ...] = () if parsed.workers == 0 else (Crew(parsed.workers or 1, parsed.runtime, "cpu"),)
    gpus: tuple[Crew, ...]
    if parsed.distributed == RAY:  # which shows each actor its own GPU as the first
        gpus = (Crew(parsed.gpu_workers, parsed.runtime, "cuda:0", gpus=1.0),)
    else:
        gpus = tuple(Crew(1, parsed.runtime, f"cuda:{index}") for index in range(parsed.gpu_workers))
    return {"crews": (*cpus, *gpus)}


class _Shown:
    """A progress bar for each phase in turn."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack, self._what = stack, ""
        self._bar: Callable[[int, int], None] = lambda done, of: None

    def __call__(self, what: str, done: int, of: int) -> None:
        if what != self._what:
            self._stack.close()
            self._what, self._bar = what, self._stack.enter_context(terminal.counted(what, of))
        self._bar(done, of)
