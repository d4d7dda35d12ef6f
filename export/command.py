"""`miniseg-export`: a checkpoint in, a verified bundle out."""

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from miniseg_edge.bundle.bundle import Bundle
from miniseg_edge.bundle.compiled import SOURCE
from miniseg_edge.bundle.parity_summary import show
from miniseg_edge.bundle.signature import Signer
from miniseg_edge.bundle.signing_key import signer_asked_for
from miniseg_edge.console import terminal
from miniseg_edge.console.commands import Parser, run
from miniseg_edge.errors import ParityError, UsageError
from miniseg_edge.export.request import AUTO, ExportRequest
from miniseg_edge.export.serving.models import served_models
from miniseg_edge.export.serving.options import LAYOUTS, add_serving_options, serving_options
from miniseg_edge.export.targets import PRECISIONS, able_to, built_for, target_named, targets
from miniseg_edge.export.tensorrt.arguments import add_engine_options, engine_options
from miniseg_edge.host.dependencies import check_installed
from miniseg_edge.parity.comparison import DEFAULT_LIMITS, ParityLimits
from miniseg_edge.runtimes.backends.tensorrt.vendors import VENDORS
from miniseg_edge.slices.preprocessing import Statistics, Window
from miniseg_edge.tensors import GREY, HU, LOGIT, MASK

if TYPE_CHECKING:  # which needs torch
    from miniseg_edge.export.release import ExportResult

_CHECKPOINT_SUFFIXES = (".pth", ".pt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 done, 1 our error, 2 usage, 3 parity failed."""
    return run(_parser(), arguments, lambda parsed: _export(parsed) if parsed.rebuild is None else _rebuild(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="miniseg-export",
        description="Turns a trained MiniSeg checkpoint into a bundle that is proven to draw the same lesion.",
        epilog="Exit codes: 0 done, 1 error, 2 usage, 3 parity failed (the artefact is not released, its report is).",
        answers=True,
        examples=(
            "miniseg-export model.pth --target native --target openvino --mean 0.45 --std 0.25",
            "miniseg-export model.pth --target native --window -1250 250 --output bundle",
            "miniseg-export model.pth --target openvino --precision int8 --calibration slices/",
            "miniseg-export --rebuild bundle",
        ),
    )
    parser.add_argument(
        "checkpoint",
        nargs="?",
        type=Path,
        help="trained weights (.pth); default: the only one in this folder",
    )
    parser.add_argument(
        "--target",
        action="append",
        choices=(*targets(), *LAYOUTS),
        help="what to build; repeatable. triton and ovms also write that model server's layout into the bundle, of the "
        "targets named with it, otherwise of onnx and openvino; their graphs return masks "
        "and take any number of slices",
    )
    parser.add_argument(
        "--rebuild",
        type=Path,
        metavar="BUNDLE",
        help="instead: build a bundle's engines again for this machine and replay its golden slices",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="BUNDLE",
        help="directory to write; default: next to the checkpoint, named after it",
    )
    parser.add_argument(
        "--precision",
        action="append",
        choices=(*PRECISIONS, AUTO),
        help=f"repeatable; {'; '.join(f'{p}: {_listed(able_to(p))}' for p in PRECISIONS)}. auto builds all that this "
        "machine runs, INT8 if there are calibration slices, measures them and keeps the best; default: "
        f"{', '.join(f'{row.precisions[0]} for {name}' for name, row in targets().items())}",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="slices for calibrating INT8, none of which are used for validation",
    )
    parser.add_argument(
        "--quantization",
        type=Path,
        metavar="FILE",
        help="replay this plan (plan.json of a bundle) instead of searching; trt uses a rule instead",
    )
    parser.add_argument(
        "--slow-int8", action="store_true", help="build INT8 even if no set of convolutions is faster than FP32 here"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="selects among many calibration slices, default 0"
    )
    parser.add_argument("--mean", type=float, metavar="M", help="mean of the training slices, on the 0..1 scale")
    parser.add_argument("--std", type=float, metavar="S", help="their standard deviation, on the 0..1 scale")
    parser.add_argument(
        "--window",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="HU window that the bundle offers for raw CT",
    )
    parser.add_argument(
        "--input-size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="network input; default: as trained, or 512 512 if unknown",
    )
    parser.add_argument(
        "--validation", type=Path, metavar="DIR", help="slices to check parity on; default: demo phantoms"
    )
    parser.add_argument("--labels", type=Path, metavar="DIR", help="masks of the same names, for Dice and mIoU")
    parser.add_argument(
        "--near-tie",
        type=float,
        default=ParityLimits.near_tie,
        metavar="L",
        help="|reference logit| below which a changed pixel is a near-tie (default %(default)g)",
    )
    parser.add_argument(
        "--max-real-flips", type=int, metavar="N", help="changed pixels allowed beyond near-ties (fp32: 0, others: any)"
    )
    parser.add_argument("--min-dice-mean", type=float, metavar="D", help="against the reference (bf16, int8: 0.98)")
    parser.add_argument("--min-dice-worst", type=float, metavar="D", help="of the worst slice (bf16, int8: 0.95)")
    parser.add_argument(
        "--tiny-lesion",
        type=int,
        metavar="N",
        help="slices with fewer lesion pixels are judged by changed pixels (bf16, int8: 100)",
    )
    parser.add_argument(
        "--max-tiny-changes", type=int, metavar="N", help="pixels that may change there (bf16, int8: 16)"
    )
    parser.add_argument(
        "--max-iou-drop", type=float, metavar="D", help="mIoU with the labels, below the reference's (int8: 0.003)"
    )
    parser.add_argument(
        "--min-reference-iou",
        type=float,
        metavar="D",
        help="mIoU with --labels that the network itself must reach; default: a bad one only gives a remark",
    )
    parser.add_argument(
        "--graph-input", choices=(GREY, HU), default=GREY, help="input of the graph; hu: the graph includes the window"
    )
    parser.add_argument(
        "--graph-output",
        choices=(LOGIT, MASK),
        help="output of the graph; mask: uint8, one class per pixel; default: logit, for servers mask",
    )
    parser.add_argument(
        "--separate-channels",
        action="store_true",
        help="slices have the network's own channels (colour, neighbouring slices) instead of one grey one",
    )
    parser.add_argument("--dynamic-batch", action="store_true", help="any number of slices at once")
    parser.add_argument("--dynamic-size", action="store_true", help="slices of any size, each segmented in its own")
    parser.add_argument("--tune", action="store_true", help="time the graph's forms here and use the fastest")
    parser.add_argument(
        "--max-logit-difference",
        type=float,
        metavar="D",
        help="largest logit difference allowed; default: any",
    )
    add_engine_options(parser)
    add_serving_options(parser)
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="private key (PEM, P-256, P-384 or P-521) that signs the bundle"
    )
    parser.add_argument(
        "--trust", type=Path, metavar="KEY", help="public key with which the bundle to --rebuild must be signed"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing bundle")
    return parser


def _export(parsed: argparse.Namespace) -> None:
    request = _request(parsed)
    check_installed(("torch", "onnx", "onnxscript", "safetensors"), "export")
    if any(build.precision == "int8" for build in request.builds):
        check_installed(("matplotlib",), "quantize")
    from miniseg_edge.export.exporter import export_bundle

    result = export_bundle(request)
    show("Parity with the FP32 torch reference", result.parities)
    if result.bundle is not None:
        _show_files(request.output, result.bundle)
    if result.bundle is None:
        terminal.points("Beside that:", result.remarks)
    terminal.answer(_answer(result, request.output))
    failed = [p for p in result.parities if not p.passed]
    if failed and (result.bundle is None or not request.auto):
        reasons = "; ".join(f"{p.target} {p.precision}: {', '.join(p.failures)}" for p in failed)
        raise ParityError(
            "the bundle was not released",
            expected="the reference's mask",
            because=reasons,
            remedy=f"The report is {result.report}",
        )
    only = "" if request.window else " (8-bit slices; DICOM and NIfTI need an export with --window)"
    terminal.say(f"{request.output} is ready: miniseg-segment {request.output} INPUT --output DIR{only}", "good")
    terminal.points("Before you use it:", result.remarks)


def _answer(result: "ExportResult", output: Path) -> dict[str, object]:
    """For --json: `bundle` and `digest` are null where nothing was released."""
    bundle = result.bundle
    return {
        "bundle": None if bundle is None else output,
        "digest": None if bundle is None else bundle.manifest.digest,
        "artifacts": () if bundle is None else bundle.manifest.artifacts,
        "parities": result.parities,
        "report": result.report,
        "remarks": result.remarks,
    }


def _rebuild(parsed: argparse.Namespace) -> None:
    targets, rebuilt = parsed.target or [], [vendor.target for vendor in VENDORS]
    if parsed.checkpoint is not None or len(targets) > 1 or not set(targets) <= set(rebuilt):
        wanted = f"--rebuild BUNDLE, with {' or '.join(f'--target {name}' for name in rebuilt)} at most"
        raise UsageError(
            "a rebuild takes no checkpoint and no new targets", expected=wanted, got="a checkpoint or other targets"
        )
    from miniseg_edge.export.tensorrt.rebuild import rebuild

    signer = _signer(parsed.sign)
    bundle = rebuild(
        parsed.rebuild, targets[0] if targets else None, device=parsed.device, signer=signer, trust=parsed.trust
    )
    _show_files(parsed.rebuild, bundle)
    terminal.answer({"bundle": parsed.rebuild, "digest": bundle.manifest.digest})
    terminal.say(f"{parsed.rebuild} is rebuilt for this machine; bundle {bundle.manifest.digest}", "good")


def _request(parsed: argparse.Namespace) -> ExportRequest:
    if parsed.target is None:
        raise UsageError(
            "nothing was selected to build",
            expected=f"--target {' | '.join((*targets(), *LAYOUTS))}, or --rebuild BUNDLE",
            got="neither",
        )
    if parsed.trust is not None:
        raise UsageError(
            "--trust applies to existing bundles", expected="--sign KEY, or --rebuild BUNDLE", got="--trust"
        )
    checkpoint = parsed.checkpoint or _only_checkpoint(Path())
    if (parsed.mean is None) != (parsed.std is None):
        raise UsageError(
            "the normalisation needs a mean and a std", expected="--mean and --std together", got="one of them"
        )
    named, serving = _targets(parsed.target), serving_options(parsed)
    return ExportRequest(
        checkpoint=checkpoint,
        output=parsed.output or _default_output(checkpoint),
        targets=named,
        precisions=_precisions(parsed, named),
        auto=AUTO in (parsed.precision or ()),
        calibration=parsed.calibration,
        quantization=parsed.quantization,
        slow_int8=parsed.slow_int8,
        seed=parsed.seed,
        statistics=None if parsed.mean is None else Statistics(parsed.mean, parsed.std),
        window=None if parsed.window is None else Window(*parsed.window),
        size=None if parsed.input_size is None else (parsed.input_size[0], parsed.input_size[1]),
        validation=parsed.validation,
        labels=parsed.labels,
        limits=_limits(parsed),
        values=parsed.graph_input,
        result=parsed.graph_output or (LOGIT if serving is None else MASK),
        separate_channels=parsed.separate_channels,
        dynamic_batch=parsed.dynamic_batch or serving is not None,
        dynamic_size=parsed.dynamic_size,
        tune=parsed.tune,
        engine_options=engine_options(parsed),
        serving=serving,
        signer=_signer(parsed.sign),
        overwrite=parsed.overwrite,
    )


def _targets(said: Sequence[str]) -> tuple[str, ...]:
    """The requested targets; if only servers are named, the targets that they serve."""
    built = tuple(dict.fromkeys(target for target in said if target in targets()))
    return built or tuple(dict.fromkeys(target for layout in said for target in built_for(layout)))


def _signer(key: Path | None) -> Signer | None:
    return None if key is None else signer_asked_for(key)


def _precisions(parsed: argparse.Namespace, named: Sequence[str]) -> tuple[str, ...] | None:
    """The requested builds; with `auto` everything that the targets support, INT8 if there are calibration slices."""
    if parsed.precision is None:
        return None
    asked = tuple(dict.fromkeys(parsed.precision))
    if AUTO not in asked:
        return asked
    if len(asked) > 1:
        raise UsageError(
            f"{AUTO} cannot be combined with other precisions",
            expected=f"--precision {AUTO} alone",
            got=", ".join(asked),
        )
    if parsed.calibration is None:
        terminal.say("INT8 is not tried: it needs --calibration DIR")
    able = [p for p in PRECISIONS if any(p in target_named(name).precisions for name in named)]
    return tuple(p for p in able if p != "int8" or parsed.calibration is not None)


def _listed(names: Sequence[str]) -> str:
    return "all" if len(names) == len(targets()) else ", ".join(names)


def _limits(parsed: argparse.Namespace) -> dict[str, ParityLimits]:
    """Each precision's default limits, with those of the command line."""
    names = [limit.name for limit in fields(ParityLimits)]
    said = {name: value for name in names if (value := getattr(parsed, name)) is not None}
    return {precision: replace(limits, **said) for precision, limits in DEFAULT_LIMITS.items()}


def _only_checkpoint(folder: Path) -> Path:
    found = sorted(p for p in folder.iterdir() if p.suffix in _CHECKPOINT_SUFFIXES and p.is_file())
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise UsageError(
            "the checkpoint is ambiguous",
            expected=f"exactly one {' or '.join(_CHECKPOINT_SUFFIXES)} file here",
            got=names,
            remedy="Name one.",
        )
    terminal.say(f"taking {found[0].name}, the only checkpoint in this folder")
    return found[0]


def _default_output(checkpoint: Path) -> Path:
    return checkpoint.with_name(checkpoint.stem if checkpoint.suffix else f"{checkpoint.name}-bundle")


def _show_files(output: Path, bundle: Bundle) -> None:
    rows = [
        (
            f"{artifact.target} {artifact.precision}",
            ", ".join(artifact.files),
            artifact.form,
            str(artifact.nodes or "-"),
            f"{artifact.macs / 1e6:,.0f}" if artifact.macs else "-",
            f"{sum(len(bundle.contents[name]) for name in artifact.files) / 1e3:,.0f}",
        )
        for artifact in bundle.manifest.artifacts
    ]
    compiled = [(a, a.compiled) for a in bundle.manifest.artifacts if a.compiled is not None]
    if ahead := [f"{a.target} {a.precision}" for a, record in compiled if record.judged_on == SOURCE]:
        terminal.warn(
            f"{', '.join(ahead)} built ahead of time: parity was judged on the ONNX it was built from. The engine "
            "itself is judged on the golden slices each time it is opened on a GPU."
        )
    terminal.table(f"{output}", ("artefact", "files", "form", "nodes", "MMAC", "kB"), rows)
    for layout in LAYOUTS:
        if models := served_models(layout, bundle):
            terminal.say(f"{output / layout}: {', '.join(models)} (docs/model-servers.md)")
