"""The work of `miniseg-segment BUNDLE SOURCE --output DIR --distributed ...`."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from miniseg_edge.console import terminal
from miniseg_edge.errors import UsageError
from miniseg_edge.runtimes.archive.bounds import Bounds
from miniseg_edge.runtimes.archive.engines.engine import EXECUTORS, PROCESSES, RAY
from miniseg_edge.runtimes.archive.engines.ray_session import RaySetting
from miniseg_edge.runtimes.archive.overview.metrics import ArchiveMetrics
from miniseg_edge.runtimes.archive.overview.report import check_report, write_report
from miniseg_edge.runtimes.archive.overview.state import RunState
from miniseg_edge.runtimes.archive.overview.tally import Tally
from miniseg_edge.runtimes.archive.row import Row
from miniseg_edge.runtimes.archive.run import ArchiveReport, segment_archive
from miniseg_edge.runtimes.archive.storage.output import is_output_url, output_at
from miniseg_edge.runtimes.archive.work import Crew
from miniseg_edge.runtimes.backends.registry import AUTO
from miniseg_edge.runtimes.study.formats import JSON, NIFTI
from miniseg_edge.runtimes.study.segment_input import output_folder, seg_frames_of

_OPTIONS = (
    *("workers", "gpu_workers", "ray_address", "ray_folder", "scratch", "retry_failed", "follow_links", "where"),
    *("max_size", "max_memory", "report", "metrics_port"),
)
"""Options that need --distributed."""

_BOUNDS = Bounds()
_EVERY_S = 60.0
"""Between lines of progress where there is no terminal."""

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
    group.add_argument("--max-size", type=int, metavar="MIB", help=f"of a series' files; default: {_BOUNDS.size_mb}")
    group.add_argument(
        "--max-memory", type=int, metavar="MIB", help=f"that a series may need; default: {_BOUNDS.memory_mb}"
    )
    group.add_argument("--report", type=Path, metavar="FILE", help="a page about the output folder, HTML")
    group.add_argument(
        "--metrics-port", type=int, metavar="PORT", help="Prometheus' metrics on loopback; 0: a free one"
    )


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
    if given := [_option(name) for name in _OPTIONS if not _is_absent(getattr(parsed, name))]:
        raise UsageError(
            "these options only apply to archives",
            expected=f"--distributed {'|'.join(EXECUTORS)}",
            got=", ".join(given),
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _is_absent(value: object) -> bool:
    """0 is a value."""
    return value is None or value is False


def segment_archive_command(parsed: argparse.Namespace) -> bool:
    """Segments the archive and prints the result; returns whether no series failed. Raises: as `segment_archive`."""
    refused = [_option(name) for name in _OF_ONE_STUDY if getattr(parsed, name)]
    if refused:
        raise UsageError(
            "these options only apply to one study", expected="an archive, which always resumes", got=", ".join(refused)
        )
    if parsed.distributed != RAY and (parsed.ray_address or parsed.ray_folder):
        raise UsageError(
            "--ray-address and --ray-folder need Ray", expected="--distributed ray", got=parsed.distributed
        )
    output, formats = output_folder(parsed.output), tuple(parsed.format or (NIFTI, JSON))
    if parsed.report is not None:
        check_report(parsed.report)
    state = RunState()
    with _metrics(parsed.metrics_port) as metrics, ExitStack() as bars:
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
            bounds=_bounds(parsed),
            seen=lambda row: _tell(row, state, metrics),
            progress=_Shown(state, metrics, bars),
            **_who(parsed),
        )
    show_archive(report)
    show_parts(state.tally)
    if parsed.report is not None:
        write_report(output, parsed.report)
        terminal.say(f"{parsed.report}", "good")
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


def show_parts(tally: Tally) -> None:
    """Prints the parts of the workers' time in this run, the longest first."""
    parts = sorted(tally.parts.items(), key=lambda part: -part[1])
    if total := sum(seconds for _, seconds in parts):
        rows = [(part, f"{seconds / total:.0%}", f"{seconds / tally.series:.2f}") for part, seconds in parts]
        terminal.table("The workers' time", ("", "share", "s a series"), rows)


@contextmanager
def _metrics(port: int | None) -> Iterator[ArchiveMetrics | None]:
    if port is None:
        yield None
        return
    metrics = ArchiveMetrics()
    with metrics.served(port) as served:
        terminal.say(f"metrics at http://127.0.0.1:{served}/metrics")
        yield metrics


def _tell(row: Row, state: RunState, metrics: ArchiveMetrics | None) -> None:
    state.seen(row)
    if metrics is not None:
        metrics.seen(row)


def _bounds(parsed: argparse.Namespace) -> Bounds:
    given = {"size_mb": parsed.max_size, "memory_mb": parsed.max_memory}
    return replace(_BOUNDS, **{name: value for name, value in given.items() if value is not None})


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
    """A progress bar for each phase in turn; a line a minute where there is no terminal."""

    def __init__(self, state: RunState, metrics: ArchiveMetrics | None, stack: ExitStack) -> None:
        self._state, self._metrics, self._stack = state, metrics, stack
        self._bar: Callable[[int, int], None] = lambda done, of: None
        self._said_s = time.monotonic()

    def __call__(self, what: str, done: int, of: int) -> None:
        if self._state.reached(what, done, of):
            self._stack.close()
            self._bar = self._stack.enter_context(terminal.counted(what, of, lambda: self._state.note))
        self._bar(done, of)
        if self._metrics is not None:
            self._metrics.reached(what, done, of)
        if not sys.stderr.isatty() and time.monotonic() - self._said_s >= _EVERY_S:
            self._said_s = time.monotonic()
            terminal.say(self._state.line)
