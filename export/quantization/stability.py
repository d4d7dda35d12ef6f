"""`python -m miniseg_edge.export.quantization.stability CHECKPOINT`: does INT8 depend on the choice of slices?

Integers are fitted ten times, each time without two of the calibration slices, and judged on slices against FP32: by
arithmetic that is the same on every machine, and by OpenVINO held to instruction sets.
"""

import argparse
import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from miniseg_edge.bundle.manifest import Artifact
from miniseg_edge.bundle.records import json_from_record
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, exit_code_of
from miniseg_edge.errors import ParityError
from miniseg_edge.export.candidate import reference_bundle
from miniseg_edge.export.choosing.turns import candidate
from miniseg_edge.export.graph.deployment_graph import graph_from_checkpoint
from miniseg_edge.export.judging.validation import validation_set
from miniseg_edge.export.plan import builds_here, planned
from miniseg_edge.export.quantization.calibration import CalibrationSlice, calibration_set, pixels_sha256
from miniseg_edge.export.quantization.groups import multiplications
from miniseg_edge.export.quantization.int8 import INT8, Int8Export, int8_export
from miniseg_edge.export.quantization.search.noise import Judge
from miniseg_edge.export.quantization.search.plan import plan_from_file
from miniseg_edge.export.quantization.search.search import Groups, ladder_of
from miniseg_edge.export.quantization.search.stability import (
    LIMIT,
    Stability,
    check_enough,
    stability,
    subsets_without,
)
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.host.environment import environment_with
from miniseg_edge.measuring.process import MeasuringProcess
from miniseg_edge.parity.comparison import DEFAULT_LIMITS, compare
from miniseg_edge.slices.preprocessing import Statistics
from miniseg_edge.training.checkpoint import checkpoint_from_file

EXACT = "exact arithmetic"
TARGET = "openvino"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 safe, 3 not, 1 our error, 2 usage."""
    parsed = _parser().parse_args(arguments)
    return exit_code_of(lambda: _check(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m miniseg_edge.export.quantization.stability", description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--mean", type=float, help="of the training slices, on the 0..1 scale")
    parser.add_argument("--std", type=float)
    parser.add_argument("--input-size", type=int, nargs=2, metavar=("H", "W"), help="as `miniseg-export` takes it")
    parser.add_argument("--calibration", type=Path, required=True, metavar="DIR", help="slices that INT8 is fitted to")
    parser.add_argument(
        "--validation", type=Path, metavar="DIR", help="slices that judge; default: those of --calibration"
    )
    parser.add_argument(
        "--quantization",
        type=Path,
        metavar="FILE",
        help="plan whose groups to quantize; default: those within the noise",
    )
    parser.add_argument(
        "--instruction-set", action="append", default=[], metavar="NAME",
        help="as well by OpenVINO held to it, such as SSE41 or AVX2; may be repeated",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="draws the subsets; default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON with every figure")
    return parser


def _check(parsed: argparse.Namespace) -> None:
    export, judge, groups = _prepared(parsed)
    found = {EXACT: export.stability(groups, judge, parsed.seed)}
    if parsed.instruction_set:
        found |= _by_openvino(export, judge, groups, parsed.instruction_set, parsed.seed)
    rows = [
        (name, f"{min(one.worst):.4f}", f"{max(one.worst):.4f}", f"{one.spread:.4f}", "yes" if one.safe else "NO")
        for name, one in found.items()
    ]
    unsafe = [index for index, one in enumerate(found.values()) if not one.safe]
    title = f"Worst slice's Dice in INT8 ({', '.join(groups)}), {len(found[EXACT].worst)} calibration subsets"
    terminal.table(title, ("computed by", "least", "most", "spread", f"below {LIMIT:g}"), rows, unsafe)
    if parsed.output is not None:
        parsed.output.write_text(json.dumps({name: json.loads(json_from_record(one)) for name, one in found.items()}))
    if unsafe:
        raise ParityError(
            "INT8 is not safe for this checkpoint", expected=f"a spread of the worst slice's Dice below {LIMIT:g}",
            got="; ".join(f"{rows[index][0]}: {rows[index][3]}" for index in unsafe),
            remedy="Quantize fewer groups by --quantization FILE, or take FP32 or BF16.",
        )  # fmt: skip
    terminal.say("INT8 is stable on these slices", "good")


def _prepared(parsed: argparse.Namespace) -> tuple[Int8Export, Judge, Groups]:
    """The network observed on the calibration slices, who judges, and what is quantized."""
    statistics = None if parsed.mean is None or parsed.std is None else Statistics(parsed.mean, parsed.std)
    request = ExportRequest(
        parsed.checkpoint, Path("unused"), (TARGET,), (INT8,), statistics=statistics, calibration=parsed.calibration,
        size=parsed.input_size and tuple(parsed.input_size),
    )  # fmt: skip
    plan = planned(request, checkpoint_from_file(request.checkpoint), builds_here(request))
    channels, limits = plan.interface.channels, DEFAULT_LIMITS[INT8]
    slices = calibration_set(parsed.calibration, channels, parsed.seed)
    check_enough(len(slices))
    graph = graph_from_checkpoint(plan.checkpoint, plan.feeding)
    export = int8_export(graph, reference_bundle(plan, graph).manifest, slices, TARGET)
    judging = (
        None if parsed.validation is None else _judging(parsed.validation, plan.checkpoint.identity.classes, channels)
    )
    if parsed.quantization is not None:
        return export, export.judge((), limits, judging), plan_from_file(parsed.quantization).groups
    everything = tuple(export.quantizer.groups)
    judge = export.judge(everything, limits)
    ladder = ladder_of(everything, judge.alone, multiplications(export.quantizer.exact, export.quantizer.groups))
    if not ladder:
        raise ParityError(
            "no group can be quantized", expected="noise of one grey level at most", got="more, each by itself"
        )
    return export, judge if judging is None else export.judge((), limits, judging), ladder[0]


def _judging(folder: Path, classes: int, channels: int) -> tuple[CalibrationSlice, ...]:
    """Slices of a folder that only judge."""
    images = (item.image() for item in validation_set(folder, None, classes, channels).slices)
    return tuple(CalibrationSlice(pixels_sha256(pixels), pixels) for pixels in images)


def _by_openvino(
    export: Int8Export, judge: Judge, groups: Groups, sets: Sequence[str], seed: int
) -> Mapping[str, Stability]:
    """The same subsets, each built once, run by OpenVINO in a process for each instruction set."""
    with tempfile.TemporaryDirectory(prefix="miniseg-stability-") as folder:
        root = Path(folder)
        values = root / "slices.npy"
        np.save(values, np.concatenate([slice_.value for slice_ in judge.slices]))
        without = subsets_without(len(export.calibration), seed)
        built = {left_out: _written(export.without(left_out), groups, root / f"subset-{index}")
                 for index, left_out in enumerate(without)}  # fmt: skip

        def worst_of(left_out: Collection[int], process: MeasuringProcess) -> float:
            logits = root / "logits.npy"
            process.ask("run", bundle=str(built[tuple(left_out)]), slices=str(values), logits=str(logits))
            pairs = zip(judge.slices, judge.wanted, np.load(logits, allow_pickle=False), strict=True)
            each = [compare(slice_.name, wanted, given, judge.limits) for slice_, wanted, given in pairs]
            return min((one.dice for one in each if one.lesion_pixels >= judge.limits.tiny_lesion), default=1.0)

        found: dict[str, Stability] = {}
        for name in sets:
            with (
                environment_with({"ONEDNN_MAX_CPU_ISA": name}),
                MeasuringProcess("miniseg_edge.export.quantization.held_openvino", name) as process,
            ):
                found[f"OpenVINO, {name}"] = stability(without, partial(worst_of, process=process))
        return found


def _written(export: Int8Export, groups: Groups, path: Path) -> Path:
    """A bundle with one subset's artefact."""
    with terminal.step(path.name):
        built = export.built(TARGET, groups)
    artifact = Artifact(TARGET, INT8, (), built.nodes, export.form.name)
    return candidate(replace(export.manifest, artifacts=()), artifact, built, path).path


if __name__ == "__main__":
    raise SystemExit(main())
